extension PowerProfile {
  /// The profiles that need no files.
  public static let standard = [performance, balanced, powerSaver]

  /// As fast as heat allows.
  public static let performance = PowerProfile(
    name: "performance", summary: "as fast as heat allows",
    efforts: [
      [.init(threads: .percent(100)), .init(threads: .percent(100)), lowNominal],
      [
        .init(threads: .percent(100), dutyPercent: 85), .init(threads: .percent(75), dutyPercent: 85, spins: false),
        lowFair,
      ],
      [
        .init(threads: .percent(50), dutyPercent: 85, spins: false),
        .init(threads: .percent(50), dutyPercent: 70, spins: false), lowSerious,
      ],
      [lastMains, lastBattery, lowCritical],
    ])

  /// Quick for people, easy on the battery.
  public static let balanced = PowerProfile(
    name: "balanced", summary: "quick while it is cool, easy on the battery",
    efforts: [
      [
        .init(threads: .percent(100)), .init(threads: .percent(75), batchWindowMicros: 1000, spins: false), lowNominal,
      ],
      [
        .init(threads: .percent(75), dutyPercent: 85, spins: false),
        .init(threads: .percent(50), dutyPercent: 85, batchWindowMicros: 2000, spins: false), lowFair,
      ],
      [
        .init(threads: .percent(50), dutyPercent: 70, batchWindowMicros: 1000, spins: false),
        .init(threads: .percent(50), dutyPercent: 55, batchWindowMicros: 4000, spins: false), lowSerious,
      ],
      [lastMains, lastBattery, lowCritical],
    ])

  /// As little energy as serves.
  public static let powerSaver = PowerProfile(
    name: "power-saver", summary: "as little energy as serves",
    efforts: [
      [
        .init(threads: .percent(50), batchWindowMicros: 2000, spins: false),
        .init(threads: .percent(50), dutyPercent: 80, batchWindowMicros: 4000, spins: false), lowNominal,
      ],
      [
        .init(threads: .percent(50), dutyPercent: 75, batchWindowMicros: 4000, spins: false),
        .init(threads: .percent(50), dutyPercent: 60, batchWindowMicros: 4000, spins: false), lowFair,
      ],
      [
        .init(threads: .count(1), dutyPercent: 60, batchWindowMicros: 4000, spins: false),
        .init(threads: .count(1), dutyPercent: 50, batchWindowMicros: 8000, spins: false), lowSerious,
      ],
      [lastMains, lastBattery, lowCritical],
    ])

  // What all three do where little is left, of coolness or of the battery.
  private static let lastMains = Effort(
    threads: .count(1), dutyPercent: 40, batchWindowMicros: 4000, spins: false)
  private static let lastBattery = Effort(
    threads: .count(1), dutyPercent: 30, batchWindowMicros: 8000, spins: false)
  private static let lowNominal = Effort(
    threads: .percent(50), dutyPercent: 60, batchWindowMicros: 8000, spins: false)
  private static let lowFair = Effort(threads: .count(1), dutyPercent: 50, batchWindowMicros: 8000, spins: false)
  private static let lowSerious = Effort(threads: .count(1), dutyPercent: 35, batchWindowMicros: 8000, spins: false)
  private static let lowCritical = Effort(threads: .count(1), dutyPercent: 20, batchWindowMicros: 8000, spins: false)
}
