/// A board as its heat and power see it: clusters with their operating points, two thermal masses, and what the kernel or the
/// firmware does against heat. The boards themselves, with the sources of their figures: `Board+Known.swift`.
public struct Board: Sendable {
  public var name: String
  /// The type of its thermal zone.
  public var zone: String
  public var clusters: [Cluster]
  /// At the wall while nothing runs, all of which becomes heat on the board; watts.
  public var idleWatts: Double
  /// What the cores leak at 1 V and 60 °C; doubles every `leakageDoubling` degrees.
  public var leakageWatts: Double
  public var leakageDoubling = 35.0
  public var thermal: Thermal
  public var ambient: Double
  /// Degrees Celsius.
  public var passiveTrip: Double
  public var criticalTrip: Double
  public var hysteresis: Double
  public var throttle: Throttle
  /// The step between two values that the sensor can tell, in degrees.
  public var sensorStep: Double
  /// Bytes a second from memory: what one core can draw, and what all can.
  public var coreBandwidth: Double
  public var bandwidth: Double

  public struct Cluster: Sendable {
    public var cores: [Int]
    /// 1,024: the machine's strongest core at its highest frequency.
    public var capacity: Int
    /// Watts of one busy core at 1 GHz and 1 V.
    public var coefficient: Double
    /// Growing.
    public var points: [OperatingPoint]
    /// 8-bit multiplications with addition that one core does in a cycle, on average.
    public var operationsPerCycle: Double
  }

  public struct OperatingPoint: Sendable {
    public var megahertz: Double
    public var volts: Double

    public init(_ megahertz: Double, _ volts: Double) {
      self.megahertz = megahertz
      self.volts = volts
    }
  }

  /// The die on a board (or its heat sink) in still air: K/W and J/K.
  public struct Thermal: Sendable {
    public var dieToBoard: Double
    public var boardToAir: Double
    public var dieCapacity: Double
    public var boardCapacity: Double
  }

  public enum Throttle: Equatable, Sendable {
    /// Raspberry Pi's firmware: from the trip on, less frequency with each degree, down to the lowest point 5 °C above it.
    case proportional
    /// Linux's `step_wise` governor, looking every so many seconds: one point down while it is above the trip and gets hotter,
    /// one up while it is below and gets cooler.
    case stepWise(seconds: Double)
  }

  public var coreCount: Int { clusters.reduce(0) { $0 + $1.cores.count } }
}
