import System

/// Where the kernel says by itself that readings have changed, each a descriptor for an event loop. Each is optional; `remarks`
/// says what is missing. Without them `PowerSensors.pollIntervalNanoseconds` alone wakes.
public final class PowerNotices {
  public final class Notice {
    enum Kind: Equatable {
      case devices
      /// With the family's number.
      case thermal(Int)
      case file
    }

    let kind: Kind
    let notice: KernelNotice

    init(_ kind: Kind, _ notice: consuming KernelNotice) {
      self.kind = kind
      self.notice = notice
    }

    public var descriptor: Int32 { notice.descriptor }
    public var interest: EventPoll.Interest { notice.interest }
  }

  /// A kernel's device message has at most 2 KiB and its head.
  private static let messageBytesMax = 8192
  /// Messages that are heard at once; more wait.
  private static let messageCountMax = 64

  public private(set) var notices: [Notice] = []
  /// One line for each source that is not there.
  public private(set) var remarks: [String] = []
  private let sensors: PowerSensors

  /// Watches what these sensors read. `hearsKernel` is false where the sensors' root is no kernel's.
  public init(_ sensors: PowerSensors, hearsKernel: Bool = true) {
    self.sensors = sensors
    if hearsKernel {
      open(.devices, "device events") { () throws(SystemError) in try KernelNotice.deviceEvents() }
      openThermal()
    }
    for path in sensors.changingFiles {
      open(.file, path) { () throws(SystemError) in try KernelNotice(changesOf: path) }
    }
    var written: Notice?
    for path in sensors.writtenFiles {
      if let written {
        do throws(SystemError) { try written.notice.add(writesTo: path) } catch { remark(path, error) }
      } else if open(.file, path, { () throws(SystemError) in try KernelNotice(writesTo: path) }) {
        written = notices.last
      }
    }
  }

  @discardableResult
  private func open(_ kind: Notice.Kind, _ name: String, _ body: () throws(SystemError) -> KernelNotice) -> Bool {
    do throws(SystemError) {
      notices.append(Notice(kind, try body()))
      return true
    } catch {
      remark(name, error)
      return false
    }
  }

  private func remark(_ name: String, _ error: SystemError) {
    remarks.append("no notices of \(name) (\(error.message))")
  }

  private func openThermal() {
    do throws(SystemError) {
      let notice = try KernelNotice.genericNetlink()
      try notice.send(GenericNetlink.familyRequest("thermal"))
      // The kernel answers before `send` returns.
      guard let answer = try PowerNotices.message(of: notice),
        let family = GenericNetlink.family(in: answer, group: "event")
      else { return remarks.append("no notices of thermal events (this kernel has none)") }
      try notice.join(group: family.group)
      notices.append(Notice(.thermal(family.number), notice))
    } catch {
      remark("thermal events", error)
    }
  }

  /// Hears what has come, and tells the sensors what to look for. Returns whether a new reading is worth taking.
  public func take() -> Bool {
    var event: PowerEvent = []
    for notice in notices {
      if notice.kind == .file {
        guard notice.notice.isReady else { continue }
        notice.notice.rearm()
        event.insert(.readings)
      } else {
        event.formUnion(PowerNotices.hear(notice))
      }
    }
    if event.contains(.devices) { sensors.devicesChanged() }
    if event.contains(.supply) { sensors.supplyChanged() }
    return !event.isEmpty
  }

  private static func hear(_ notice: Notice) -> PowerEvent {
    var event: PowerEvent = []
    for _ in 0..<messageCountMax {
      do throws(SystemError) {
        guard let message = try message(of: notice.notice) else { return event }
        switch notice.kind {
        case .thermal(let family):
          for command in GenericNetlink.commands(in: message, family: family) {
            event.formUnion(PowerEvent(thermalCommand: command))
          }
        default: event.formUnion(PowerEvent(deviceMessage: message[...]))
        }
      } catch {
        // Messages were lost: anything may have changed.
        event = .all
      }
    }
    return event
  }

  /// Nil: there is none left.
  private static func message(of notice: borrowing KernelNotice) throws(SystemError) -> [UInt8]? {
    var message = [UInt8](repeating: 0, count: messageBytesMax)
    let count = try message.withUnsafeMutableBufferPointer { (buffer) throws(SystemError) in
      try notice.receive(into: UnsafeMutableRawBufferPointer(buffer))
    }
    guard let count else { return nil }
    return Array(message.prefix(count))
  }
}
