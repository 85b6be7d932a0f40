/// What one of the kernel's messages means for the sensors.
struct PowerEvent: OptionSet {
  var rawValue: UInt8
  /// Something reads otherwise now.
  static let readings = PowerEvent(rawValue: 1)
  /// A battery or mains does.
  static let supply = PowerEvent(rawValue: 2)
  /// Devices have come, gone or changed their trips.
  static let devices = PowerEvent(rawValue: 4)
  static let all: PowerEvent = [.readings, .supply, .devices]

  init(rawValue: UInt8) { self.rawValue = rawValue }

  /// A kobject event: `action@path`, then `NAME=value`, each ended by a zero.
  init(deviceMessage bytes: ArraySlice<UInt8>) {
    self = []
    let fields = bytes.split(separator: 0)
    guard let head = fields.first else { return }
    let isMembership = head.starts(with: "add@".utf8) || head.starts(with: "remove@".utf8)
    for field in fields where field.starts(with: "SUBSYSTEM=".utf8) {
      let subsystem = field.dropFirst(10)
      if subsystem.elementsEqual("power_supply".utf8) {
        self = isMembership ? .all : [.readings, .supply]
      } else if subsystem.elementsEqual("thermal".utf8) || subsystem.elementsEqual("powercap".utf8) {
        self = isMembership ? .all : .readings
      } else if subsystem.elementsEqual("cpu".utf8) {
        // Clocks come and go with their processors.
        self = [.readings, .devices]
      }
    }
  }

  /// A command of the family `thermal` (Linux, `thermal.h`): 5 and 6 are a trip that is passed, 12 a cooling device's state.
  init(thermalCommand command: UInt8) {
    switch command {
    case 5, 6, 12: self = .readings
    default: self = [.readings, .devices]
    }
  }
}
