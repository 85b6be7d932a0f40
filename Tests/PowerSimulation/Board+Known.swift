/// Operations in a cycle: MobileNetV2's 300 million by what Thimble's kernels were counted to take (Sources/CKernels/arm/COUNTS.tsv):
/// 19.1 million cycles on a Cortex-A76; 97 million instructions where there are no dot products, two a cycle on a Cortex-A72; on a
/// Cortex-A55 by its capacity.
extension Board {
  public static let known = [raspberryPi4, raspberryPi5, jetsonOrinNano, rk3588]

  /// In a closed case of plastic, in a warm room.
  ///
  /// Power: 1.6 W idle, 5.0 W with four busy cores (github.com/geerlingguy/sbc-reviews, issue 4). Voltages: estimated from what
  /// owners read with `vcgencmd measure_volts`. Heat: some 12 K/W of the bare board, which reaches 80 °C at 5 W in a room of
  /// 25 °C (djstein.com, Raspberry Pi 4B case test: bare boards reach 80 °C, closed cases are worse); 46 g of board hold some
  /// 45 J/K. Throttling: raspberrypi.com, frequency management and thermal control. Memory: 4 GB/s with all cores, 2.5 GB/s with
  /// one (github.com/ThomasKaiser/sbc-bench, results). Sensor: drivers/thermal/broadcom/bcm2711_thermal.c, 487 m°C a step.
  public static let raspberryPi4 = Board(
    name: "raspberry-pi-4", zone: "cpu-thermal",
    clusters: [
      .init(
        cores: [0, 1, 2, 3], capacity: 1024, coefficient: 0.50,
        points: [
          .init(600, 0.80), .init(700, 0.80), .init(800, 0.80), .init(900, 0.80), .init(1000, 0.81), .init(1100, 0.82),
          .init(1200, 0.83), .init(1300, 0.84), .init(1400, 0.85), .init(1500, 0.86), .init(1600, 0.88),
          .init(1700, 0.91), .init(1800, 0.94),
        ], operationsPerCycle: 6.2)
    ],
    idleWatts: 1.6, leakageWatts: 0.2,
    thermal: .init(dieToBoard: 3, boardToAir: 9, dieCapacity: 3, boardCapacity: 45), ambient: 35, passiveTrip: 80,
    criticalTrip: 110, hysteresis: 2, throttle: .proportional, sensorStep: 0.487, coreBandwidth: 2.5e9, bandwidth: 4e9)

  /// The bare board, without its cooler.
  ///
  /// Power: 3.1 W idle, 9 W with four busy cores (github.com/geerlingguy/sbc-reviews, issue 60). Voltages: estimated. Heat: 9 K/W
  /// from 50 °C when idle in a room of 22 °C; without a cooler it throttles at 80 to 85 °C (raspberrypi.com, heating and cooling
  /// Raspberry Pi 5; phoronix.com, Raspberry Pi 5: 81 °C on average, 89 °C at most). Memory: sbc-bench, results.
  public static let raspberryPi5 = Board(
    name: "raspberry-pi-5", zone: "cpu-thermal",
    clusters: [
      .init(
        cores: [0, 1, 2, 3], capacity: 1024, coefficient: 0.60,
        points: [
          .init(1500, 0.80), .init(1600, 0.81), .init(1700, 0.82), .init(1800, 0.84), .init(1900, 0.86),
          .init(2000, 0.88), .init(2100, 0.91), .init(2200, 0.94), .init(2300, 0.97), .init(2400, 1.00),
        ], operationsPerCycle: 15.7)
    ],
    idleWatts: 3.1, leakageWatts: 0.3,
    thermal: .init(dieToBoard: 2, boardToAir: 7, dieCapacity: 3, boardCapacity: 50), ambient: 25, passiveTrip: 80,
    criticalTrip: 110, hysteresis: 2, throttle: .proportional, sensorStep: 0.55, coreBandwidth: 6e9, bandwidth: 9e9)

  /// A module under a heat sink in a sealed box: with the developer kit's fan the processors alone never reach the trip.
  ///
  /// Power: estimated from the modes of 7 and 15 W, as in targets/jetson-orin-nano.json; points: the mode of 15 W, voltages
  /// estimated. Trip: NVIDIA, Jetson Linux Developer Guide, thermal management (99 °C, `step_wise`). Heat: chosen so that the
  /// module's 8.7 W heat the box's inside by 70 °C; nobody publishes a sealed box's figure.
  public static let jetsonOrinNano = Board(
    name: "jetson-orin-nano", zone: "cpu-thermal",
    clusters: [
      .init(
        cores: [0, 1, 2, 3, 4, 5], capacity: 1024, coefficient: 0.62,
        points: [
          .init(729.6, 0.62), .init(806.4, 0.63), .init(883.2, 0.65), .init(960, 0.67), .init(1036.8, 0.69),
          .init(1113.6, 0.71), .init(1190.4, 0.73), .init(1267.2, 0.76), .init(1344, 0.79), .init(1420.8, 0.82),
          .init(1510.4, 0.85),
        ], operationsPerCycle: 15.7)
    ],
    idleWatts: 4.5, leakageWatts: 0.4,
    thermal: .init(dieToBoard: 1.5, boardToAir: 6.5, dieCapacity: 8, boardCapacity: 120), ambient: 35, passiveTrip: 99,
    criticalTrip: 104.5, hysteresis: 0, throttle: .stepWise(seconds: 1), sensorStep: 0.5, coreBandwidth: 12e9,
    bandwidth: 30e9)

  /// A board without a heat sink's fan.
  ///
  /// Points: arch/arm64/boot/dts/rockchip/rk3588-opp.dtsi in Linux. Coefficients: `dynamic-power-coefficient` of 416 and
  /// 228 µW/MHz/V² in rk3588-base.dtsi; trip 85 °C, polled every 100 ms while above, 2 °C of hysteresis, from the same file.
  /// Idle: 4.5 W (turingpi.com, RK1 compute module benchmarks). Heat: 7 K/W, estimated from boards that throttle without a
  /// cooler at 10 W. Memory: sbc-bench, results.
  public static let rk3588 = Board(
    name: "rk3588", zone: "bigcore0-thermal",
    clusters: [
      .init(
        cores: [4, 5, 6, 7], capacity: 1024, coefficient: 0.416,
        points: [
          .init(1200, 0.675), .init(1416, 0.725), .init(1608, 0.7625), .init(1800, 0.85), .init(2016, 0.925),
          .init(2208, 0.9875), .init(2400, 1.0),
        ], operationsPerCycle: 15.7),
      .init(
        cores: [0, 1, 2, 3], capacity: 397, coefficient: 0.228,
        points: [
          .init(1008, 0.675), .init(1200, 0.7125), .init(1416, 0.7625), .init(1608, 0.85), .init(1800, 0.95),
        ], operationsPerCycle: 8.1),
    ],
    idleWatts: 4.5, leakageWatts: 0.4,
    thermal: .init(dieToBoard: 1.5, boardToAir: 5.5, dieCapacity: 5, boardCapacity: 70), ambient: 30, passiveTrip: 85,
    criticalTrip: 115, hysteresis: 2, throttle: .stepWise(seconds: 0.1), sensorStep: 0.923, coreBandwidth: 9e9,
    bandwidth: 15e9)
}
