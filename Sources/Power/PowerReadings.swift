/// What the sensors say at one moment. Every part is optional: nil or empty where the machine has no such sensor.
public struct PowerReadings: Equatable, Sendable {
  public var zones: [ThermalZone] = []
  public var coolingDevices: [CoolingDevice] = []
  /// Processors that are online and that this process may use, by cluster, the strongest first; never without a processor.
  public var clusters: [ProcessorCluster] = []
  /// Processors that the control group's quota is worth, the least up to the root.
  public var processorQuota: Double?
  public var supply = PowerSupply()
  /// What the firmware says that it does against heat and low voltage.
  public var firmware = FirmwareThrottle()
  /// The mode of work that the board's own tool has set; nil: the board has none.
  public var boardMode: BoardMode?
  /// The user's wish as the machine has it; nil: nobody says.
  public var platformProfile: PlatformProfile?
  /// Percent of the last 10 s that some task waited for a processor.
  public var processorPressurePercent: Double?
  /// Energy counters that never go back, in microjoules since the sensors were opened.
  public var energyMicrojoules: Int64?

  public init() {}

  /// A zone of the kernel's thermal framework; temperatures in thousandths of a degree Celsius.
  public struct ThermalZone: Equatable, Sendable {
    /// The kernel's number, which a zone keeps while it lives.
    public var number: Int
    public var type: String
    /// Nil: the sensor is there and cannot be read now.
    public var temperature: Int?
    /// The least passive trip: from here on the kernel takes speed away.
    public var passiveTrip: Int?
    public var hotTrip: Int?
    public var criticalTrip: Int?
    /// Of the passive trip.
    public var hysteresis: Int

    public init(
      number: Int, type: String, temperature: Int?, passiveTrip: Int? = nil, hotTrip: Int? = nil,
      criticalTrip: Int? = nil, hysteresis: Int = 0
    ) {
      self.number = number
      self.type = type
      self.temperature = temperature
      self.passiveTrip = passiveTrip
      self.hotTrip = hotTrip
      self.criticalTrip = criticalTrip
      self.hysteresis = hysteresis
    }
  }

  /// What the kernel cools with: 0 is no cooling, and anything above is speed that is being taken away.
  public struct CoolingDevice: Equatable, Sendable {
    public var number: Int
    public var type: String
    public var state: Int
    public var stateMax: Int

    public init(number: Int, type: String, state: Int, stateMax: Int) {
      self.number = number
      self.type = type
      self.state = state
      self.stateMax = stateMax
    }

    /// Fans and dark screens cost no speed, and an offset of the processor's limit (TCC) is no sign of heat.
    public var takesSpeed: Bool {
      !type.hasSuffix("fan") && !type.hasSuffix("Fan") && type != "LCD" && !type.hasPrefix("TCC")
    }
  }

  /// Processors of one kind: alike in capacity within an eighth, whether or not they share a clock.
  public struct ProcessorCluster: Equatable, Sendable {
    /// One of each physical core's threads, in order.
    public var cores: [Int]
    /// What the core's other hardware threads are.
    public var siblings: [Int]
    /// 1,024: the machine's strongest.
    public var capacity: Int
    /// In kilohertz, of the clock that is held down most; nil where cpufreq is missing.
    public var frequencyMax: Int?
    /// What somebody allows that clock at most, now.
    public var frequencyCap: Int?

    public init(
      cores: [Int], siblings: [Int] = [], capacity: Int = 1024, frequencyMax: Int? = nil, frequencyCap: Int? = nil
    ) {
      self.cores = cores
      self.siblings = siblings
      self.capacity = capacity
      self.frequencyMax = frequencyMax
      self.frequencyCap = frequencyCap
    }
  }

  /// Batteries and mains taken together.
  public struct PowerSupply: Equatable, Sendable {
    /// Whether any mains or USB supply is online; nil: the machine has none that says so.
    public var isOnMains: Bool?
    /// Of the system's battery; nil: there is none.
    public var batteryPercent: Int?
    public var isDischarging = false
    /// In tenths of a degree Celsius.
    public var batteryTemperature: Int?
    /// What the battery gives, in microwatts, whatever sign the vendor gives the current.
    public var dischargeMicrowatts: Int64?

    public init() {}
  }

  /// Raspberry Pi's throttle word or another board's, now; what was once is left out.
  public struct FirmwareThrottle: Equatable, Sendable {
    public var isUndervolted = false
    public var isCapped = false
    public var isThrottled = false
    public var isSoftLimited = false

    public init() {}

    public var takesSpeed: Bool { isCapped || isThrottled || isSoftLimited }
  }

  /// A Jetson's mode (`nvpmodel`), which sets how many cores are on and how fast they may be.
  public struct BoardMode: Equatable, Sendable {
    public var number: Int
    /// As `MAXN` or `15W`; empty where the configuration does not tell.
    public var name: String
    /// Cores that the mode leaves on; nil where the configuration does not tell.
    public var coreCount: Int?
    /// What it lets the fastest cores run at, in kilohertz; nil: as fast as they can.
    public var frequencyCap: Int?

    public init(number: Int, name: String = "", coreCount: Int? = nil, frequencyCap: Int? = nil) {
      self.number = number
      self.name = name
      self.coreCount = coreCount
      self.frequencyCap = frequencyCap
    }
  }

  /// `platform_profile` or power-profiles-daemon, in the three words that people know.
  public enum PlatformProfile: String, CaseIterable, Sendable {
    case powerSaver = "power-saver"
    case balanced
    case performance
  }
}
