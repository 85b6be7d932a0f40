import Power
import Testing

/// Joules for inferences, and whose word they are.
@Suite struct EnergyEstimateTests {
  private func mark(
    _ seconds: Double, energy: Int64? = nil, discharge: Int64? = nil, runs: Int = 0, coreSeconds: Double = 0
  ) -> EnergyMark {
    var readings = PowerReadings()
    readings.energyMicrojoules = energy
    readings.supply.isDischarging = discharge != nil
    readings.supply.dischargeMicrowatts = discharge
    return EnergyMark(
      readings, nanoseconds: Int64(seconds * 1e9), runCount: runs, coreNanoseconds: Int64(coreSeconds * 1e9))
  }

  @Test func countersAreBelievedFirst() throws {
    let estimate = try #require(
      EnergyEstimate(
        from: mark(1, energy: 5_000_000, discharge: 9_000_000),
        to: mark(3, energy: 17_000_000, discharge: 9_000_000, runs: 24, coreSeconds: 4), milliwattsPerCore: 850))
    #expect(estimate.source == .powercap && estimate.joules == 12 && estimate.joulesPerRun == 0.5)
    // A client with a quarter of the cores' time took a quarter.
    #expect(estimate.joules(ofCoreNanoseconds: 1_000_000_000) == 3)
    #expect(estimate.joules(ofCoreNanoseconds: Int64.max) == 12 && estimate.joules(ofCoreNanoseconds: -1) == 0)
  }

  @Test func batteriesAreIntegrated() throws {
    let estimate = try #require(
      EnergyEstimate(
        from: mark(0, discharge: 4_000_000), to: mark(10, discharge: 6_000_000, runs: 100, coreSeconds: 20),
        milliwattsPerCore: 850))
    #expect(estimate.source == .battery && estimate.joules == 50 && estimate.joulesPerRun == 0.5)
  }

  @Test func elseTheTargetSays() throws {
    let estimate = try #require(
      EnergyEstimate(from: mark(0), to: mark(10, runs: 10, coreSeconds: 20), milliwattsPerCore: 850))
    #expect(estimate.source == .model && estimate.joules == 17 && estimate.joulesPerRun == 1.7)
  }

  @Test func nobodyKnows() {
    #expect(EnergyEstimate(from: mark(0), to: mark(10, runs: 10, coreSeconds: 20)) == nil)
    #expect(EnergyEstimate(from: mark(5, energy: 1), to: mark(5, energy: 9), milliwattsPerCore: 850) == nil)
    // Counters that began anew, and nobody else to ask.
    #expect(EnergyEstimate(from: mark(0, energy: 9), to: mark(1, energy: 1)) == nil)
    #expect(EnergyEstimate(from: mark(0, runs: 3), to: mark(1, runs: 2), milliwattsPerCore: 1) == nil)
    let idle = EnergyEstimate(from: mark(0, energy: 1), to: mark(1, energy: 9))
    #expect(idle?.joulesPerRun == nil && idle?.joules(ofCoreNanoseconds: 5) == 0)
    let extremes = EnergyMark(PowerReadings(), nanoseconds: .min, runCount: 0, coreNanoseconds: .min)
    let others = EnergyMark(PowerReadings(), nanoseconds: .max, runCount: 1, coreNanoseconds: .max)
    #expect(EnergyEstimate(from: extremes, to: others, milliwattsPerCore: .max)?.source == .model)
  }
}
