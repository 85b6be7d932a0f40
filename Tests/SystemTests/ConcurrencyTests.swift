import CSystem
import Foundation
import System
import Testing

@Suite struct ConcurrencyTests {
  /// A number that only a lock keeps right.
  private final class Counter: @unchecked Sendable {
    let lock = Lock()
    var value = 0
  }

  @Test(.timeLimit(.minutes(1))) func lockUnderContention() throws {
    let counter = Counter()
    let threads = try (0..<4).map { _ in
      try System.Thread {
        for round in 0..<20_000 {
          counter.lock.withLock {
            let value = counter.value
            if round % 512 == 0 { thimble_spin_hint() }
            counter.value = value + 1
          }
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(counter.value == 80_000)
  }

  @Test func locksOpenAfterErrors() {
    let lock = Lock()
    #expect(
      systemError { () throws(SystemError) in
        try lock.withLock { () throws(SystemError) in throw SystemError("fail", code: 1) }
      } != nil)
    #expect(lock.withLock { 5 } == 5)
  }

  @Test(.timeLimit(.minutes(1))) func futexHandsOver() throws {
    let (ping, pong) = (Futex(), Futex())
    let thread = try System.Thread {
      for round in UInt32(1)...2000 {
        while ping.load() != round { ping.wait(while: round - 1) }
        pong.store(round)
        pong.wakeOne()
      }
    }
    for round in UInt32(1)...2000 {
      ping.store(round)
      ping.wakeAll()
      while pong.load() != round { pong.wait(while: round - 1) }
    }
    thread.join()
    #expect(pong.load() == 2000)
  }

  @Test func futexWords() {
    let word = Futex(5)
    #expect(word.add(3) == 8 && word.exchange(1) == 8 && word.load() == 1)
    #expect(word.compareExchange(expected: 1, desired: 2) && !word.compareExchange(expected: 1, desired: 3))
    #expect(word.add(.max) == 1)
    let start = Clock.nowNanoseconds
    word.wait(while: 1, timeoutNanoseconds: 20_000_000)
    #expect(Clock.nowNanoseconds - start >= 15_000_000)
    word.wait(while: 0)  // another value: returns at once
  }

  @Test func clocksMove() {
    let (wall, cpu, now) = (Clock.wallMilliseconds, Clock.processCPUNanoseconds, Clock.nowNanoseconds)
    usleep(3000)
    #expect(Clock.nowNanoseconds - now >= 3_000_000 && Clock.wallMilliseconds - wall >= 2)
    #expect(Clock.processCPUNanoseconds >= cpu && wall > 1_600_000_000_000)
    #expect(System.Thread.usableProcessorCount >= 1)
  }
}

extension System.Socket {
  /// Bytes that are there; nil where none are.
  func bytes(_ count: Int) throws(SystemError) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    let received = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(SystemError) -> Int? in
      try receive(into: UnsafeMutableRawBufferPointer(buffer))
    }
    return received.map { Array(bytes[..<$0]) }
  }

  func send(_ first: [UInt8], _ second: [UInt8] = []) throws(SystemError) -> Int? {
    try first.withUnsafeBufferPointer { (first) throws(SystemError) -> Int? in
      try second.withUnsafeBufferPointer { (second) throws(SystemError) -> Int? in
        try send([UnsafeRawBufferPointer(first), UnsafeRawBufferPointer(second)])
      }
    }
  }
}

@Suite struct EventTests {
  /// Tokens of the events that wait brings.
  private func tokens(_ poll: borrowing EventPoll, timeout: Int32 = 1000) throws -> [UInt64] {
    var tokens: [UInt64] = []
    try poll.wait(timeoutMilliseconds: timeout) { tokens.append($0.token) }
    return tokens
  }

  @Test func wakeUpsWakeOnce() throws {
    let poll = try EventPoll()
    let wakeUp = try WakeUp()
    try poll.add(wakeUp.descriptor, .readable, token: 42)
    #expect(try tokens(poll, timeout: 0).isEmpty)
    wakeUp.signal()
    wakeUp.signal()
    #expect(try tokens(poll) == [42])
    wakeUp.clear()
    #expect(try tokens(poll, timeout: 0).isEmpty)
    let descriptor = wakeUp.descriptor
    let thread = try System.Thread {
      usleep(5000)
      _ = thimble_event_signal(descriptor)
    }
    #expect(try tokens(poll, timeout: 5000) == [42])
    thread.join()
    poll.remove(wakeUp.descriptor)
    #expect(try tokens(poll, timeout: 0).isEmpty)
  }

  @Test func socketsTalk() throws {
    let folder = try Folder()
    let path = folder.file("socket")
    #expect(systemError { () throws(SystemError) in _ = try System.Socket(connectingTo: path) }?.isNotFound == true)
    let listener = try System.Socket(listeningAt: path)
    #expect(try FileSystem.status(of: path).isSocket)
    #expect(
      systemError { () throws(SystemError) in _ = try System.Socket(listeningAt: path) }?.code
        == SystemError.addressInUse)
    #expect(try listener.accept() == nil)
    let client = try System.Socket(connectingTo: path)
    guard let server = try listener.accept() else {
      Issue.record("nobody connected")
      return
    }
    let poll = try EventPoll()
    try poll.add(server.descriptor, [.readable, .peerClosed], token: 7)
    let nothing = try server.bytes(64)
    #expect(nothing == nil)
    let sentFirst = try client.send([1, 2], [3, 4, 5])
    #expect(sentFirst == 5)
    #expect(try tokens(poll) == [7])
    let received = try server.bytes(64)
    #expect(received == [1, 2, 3, 4, 5])
    // A full buffer is a returned value.
    let block = [UInt8](repeating: 1, count: 1 << 16)
    var sent = 0
    while let count = try server.send(block), sent < 1 << 26 { sent += count }
    #expect(sent > 0 && sent < 1 << 26)
    _ = consume client
    #expect(try tokens(poll) == [7])
  }

  @Test func abandonedSocketsRefuse() throws {
    let folder = try Folder()
    let path = folder.file("socket")
    do { _ = try System.Socket(listeningAt: path) }
    #expect(
      systemError { () throws(SystemError) in _ = try System.Socket(connectingTo: path) }?.code
        == SystemError.connectionRefused)
  }
}

@Suite struct ProcessTests {
  @Test func memoryIsRead() throws {
    let resident = try #require(System.Process.memoryByteCount("VmRSS"))
    #expect(resident > 1 << 20 && System.Process.peakResidentByteCount >= resident / 2)
    #expect(System.Process.memoryByteCount("VmNothing") == nil && System.Process.memoryByteCount("Vm") == nil)
    #expect(System.Process.physicalMemoryByteCount > resident)
    #expect(System.Process.identifier == getpid())
    #expect(System.Process.environment("PATH") != nil && System.Process.environment("NOT SET") == nil)
  }

  @Test func touchedMemoryShows() throws {
    let byteCount = 32 << 20
    let mapping = try Mapping(zeroed: byteCount)
    let before = try #require(System.Process.memoryByteCount("RssAnon"))
    for offset in stride(from: 0, to: byteCount, by: 4096) { mapping.mutableBytes[offset] = 1 }
    let after = try #require(System.Process.memoryByteCount("RssAnon"))
    #expect(after - before > 20 << 20)
  }

  @Test func childrenRunAndEnd() throws {
    #expect(try ChildProcess(path: "/bin/sh", arguments: ["-c", "exit 7"]).wait() == 7)
    #expect(try ChildProcess(path: "/bin/sh", arguments: ["-c", "test \"$1\" = 'a b'", "sh", "a b"]).wait() == 0)
    let sleeper = try ChildProcess(path: "/bin/sleep", arguments: ["30"])
    sleeper.terminate()
    #expect(try sleeper.wait() == 128 + 15)
    #expect(
      systemError { () throws(SystemError) in _ = try ChildProcess(path: "/no/such", arguments: []) }?.message
        == "cannot start /no/such: No such file or directory")
  }

  @Test func childrenTalk() throws {
    let echo = try TalkingProcess(path: "/bin/cat", arguments: [])
    for line in ["one", "", String(repeating: "long ", count: 5000)] {
      try echo.send(line)
      #expect(try echo.receive() == Array(line.utf8))
    }
    let short = try TalkingProcess(path: "/bin/sh", arguments: ["-c", "echo first; echo second; printf unfinished"])
    #expect(try short.wait() == 0 && short.wait() == 0)
    #expect(try short.receive() == Array("first".utf8))
    #expect(try short.receive() == Array("second".utf8))
    #expect(try short.receive() == nil)
    #expect(systemError { () throws(SystemError) in try short.send("x") }?.message.contains("Broken pipe") == true)
    #expect(throws: SystemError.self) { try TalkingProcess(path: "/no/such", arguments: []) }
  }

  @Test func processorTicksAreRead() throws {
    let text = "cpu  10 20 30 40 50 60 70 80 5 6\ncpu0 1 2 3\n"
    let ticks = try #require(ProcessorTicks(parsing: Array(text.utf8)))
    #expect(ticks.total == 360 && ticks.stolen == 80)
    for bad in ["", "cpu 1 2 3\n", "cpu0 1 2 3 4 5 6 7 8\n", "cpu 1 2 3 4 5 6 7 x\n", "cpu -1 2 3 4 5 6 7 8\n"] {
      #expect(ProcessorTicks(parsing: Array(bad.utf8)) == nil, "\(bad)")
    }
    #expect(ProcessorTicks(parsing: Array("cpu 9223372036854775807 2 3 4 5 6 7 8\n".utf8)) == nil)
    #expect(try #require(ProcessorTicks.now).total > 0)
  }
}
