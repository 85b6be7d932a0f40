import System
import TestSupport
import Testing

@testable import Power

/// What the kernel's messages mean, and that missing sources are only remarks.
@Suite struct NoticeTests {
  private func event(_ fields: [String]) -> PowerEvent {
    PowerEvent(deviceMessage: Array(fields.joined(separator: "\0").utf8 + [0])[...])
  }

  @Test func deviceMessages() {
    #expect(
      event(["change@/devices/AC", "ACTION=change", "DEVPATH=/devices/AC", "SUBSYSTEM=power_supply", "SEQNUM=1"])
        == [.readings, .supply])
    #expect(event(["remove@/devices/BAT0", "SUBSYSTEM=power_supply"]) == .all)
    #expect(event(["add@/devices/virtual/thermal/thermal_zone3", "SUBSYSTEM=thermal"]) == .all)
    #expect(event(["change@/devices/virtual/thermal/thermal_zone3", "SUBSYSTEM=thermal"]) == .readings)
    #expect(event(["offline@/devices/system/cpu/cpu1", "SUBSYSTEM=cpu"]) == [.readings, .devices])
    #expect(event(["add@/devices/usb1", "SUBSYSTEM=usb"]) == [])
    #expect(event([]) == [] && event(["SUBSYSTEM=cpu"]) != .all)
  }

  @Test func thermalCommands() {
    #expect(PowerEvent(thermalCommand: 5) == .readings && PowerEvent(thermalCommand: 12) == .readings)
    #expect(PowerEvent(thermalCommand: 1).contains(.devices) && PowerEvent(thermalCommand: 200).contains(.devices))
  }

  private func word16(_ value: Int) -> [UInt8] { [UInt8(value & 255), UInt8(value >> 8)] }

  private func attribute(_ type: Int, _ value: [UInt8]) -> [UInt8] {
    let bytes = word16(4 + value.count) + word16(type) + value
    return bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
  }

  private func message(_ type: Int, _ body: [UInt8]) -> [UInt8] {
    word16(16 + body.count) + [0, 0] + word16(type) + [UInt8](repeating: 0, count: 10) + body
  }

  private var familyAnswer: [UInt8] {
    let groups =
      attribute(1, attribute(1, Array("sampling\0".utf8)) + attribute(2, [9, 0, 0, 0]))
      + attribute(2, attribute(1, Array("event\0".utf8)) + attribute(2, [10, 0, 0, 0]))
    return message(
      16,
      [1, 2, 0, 0] + attribute(2, Array("thermal\0".utf8)) + attribute(1, [27, 0]) + attribute(77, [1, 2, 3])
        + attribute(7 | 0x8000, groups))
  }

  @Test func familiesAreFound() throws {
    let family = try #require(GenericNetlink.family(in: familyAnswer, group: "event"))
    #expect(family.number == 27 && family.group == 10)
    #expect(GenericNetlink.family(in: familyAnswer, group: "events") == nil)
    #expect(GenericNetlink.family(in: message(2, [254, 255, 255, 255]), group: "event") == nil)
    for count in 0..<familyAnswer.count {
      #expect(GenericNetlink.family(in: Array(familyAnswer.prefix(count)), group: "event") == nil)
    }
    // A message whose length is no multiple of 4, and another after it.
    let two = message(27, [6, 1, 0, 0] + attribute(1, [3, 0, 0, 0])) + message(27, [12, 1, 0, 0])
    #expect(GenericNetlink.commands(in: two, family: 27) == [6, 12])
    #expect(GenericNetlink.commands(in: two, family: 26) == [])
  }

  @Test func hostileMessagesNeverTrap() {
    var random = XorShift(11)
    for round in 0..<20_000 {
      var bytes = round % 2 == 0 ? familyAnswer : random.bytes(random.below(200))
      for _ in 0..<3 where !bytes.isEmpty { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
      _ = GenericNetlink.family(in: bytes, group: "event")
      _ = GenericNetlink.commands(in: bytes, family: 27)
      _ = PowerEvent(deviceMessage: bytes[...])
    }
  }

  /// The kernel knows the family of families, and answers as it says.
  @Test func theKernelAnswers() throws {
    guard let notice = try? KernelNotice.genericNetlink() else { return }
    try notice.send(GenericNetlink.familyRequest("nlctrl"))
    var buffer = [UInt8](repeating: 0, count: 8192)
    let count = try buffer.withUnsafeMutableBytes { try notice.receive(into: $0) }
    let answer = Array(buffer.prefix(try #require(count)))
    #expect(GenericNetlink.family(in: answer, group: "notify")?.number == 16)
  }

  /// Each source that this machine lacks is one remark, and the others work: a limit that is written wakes.
  @Test func writtenLimitsAreNoticed() throws {
    let tree = try SensorTree.container()
    try tree.set("sys/firmware/acpi/platform_profile", "balanced")
    let sensors = SensorTests.sensors(tree, .container)
    let notices = PowerNotices(sensors, hearsKernel: false)
    // A plain file cannot be waited for as one of sysfs can.
    #expect(notices.remarks.count == 1 && notices.remarks[0].contains("platform_profile"))
    #expect(notices.notices.count == 1 && !notices.take())
    let poll = try EventPoll()
    for notice in notices.notices { try poll.add(notice.descriptor, notice.interest, token: 1) }
    for file in ["pod/app/cpu.max", "pod/cpu.max", "pod/app/cpuset.cpus"] {
      try tree.set("sys/fs/cgroup/" + file, "50000 100000")
      var woken = 0
      try poll.wait(timeoutMilliseconds: 5000) { _ in woken += 1 }
      #expect(woken > 0 && notices.take() && !notices.take(), "\(file)")
    }
  }

  @Test func thisMachinesNoticesOpen() {
    let notices = PowerNotices(PowerSensors())
    #expect(notices.notices.count + notices.remarks.count >= 2)
    #expect(notices.remarks.allSatisfy { !$0.contains("\n") })
  }
}
