import System

/// What a run of one model takes with each number of threads on this device, as far as it has been measured.
public struct ThreadTimes: Equatable, Sendable {
  public struct Time: Equatable, Sendable {
    public let threadCount: Int
    /// The least of some runs, at moments apart.
    public let nanoseconds: Int64

    public init(threadCount: Int, nanoseconds: Int64) {
      self.threadCount = threadCount
      self.nanoseconds = nanoseconds
    }
  }

  /// With growing numbers of threads.
  public private(set) var times: [Time] = []
  /// How often every number has been measured. One moment may have been another program's: more of them, apart, tell.
  public private(set) var roundCount = 0
  public static let roundCountMax = 4
  /// The last number measured in the round under way.
  public private(set) var measuredThreadCount = 0

  /// The share of a thread's work that every added thread must do at least, so that twice as many save a fifth of the time:
  /// less costs more energy than it is worth, and is lost as soon as another program wants the core.
  static let efficiencyMin = 0.25

  public init() {}

  /// The numbers of threads that are worth a measurement where there are so many: 1, 2, 3, 4, 6, 8, 12, …, all. Where memory
  /// sets the pace, it is often the third thread that is the last to help.
  public static func candidates(_ threadCount: Int) -> [Int] {
    var counts: [Int] = []
    var count = 1
    while count < threadCount {
      counts.append(count)
      if count > 1 && count / 2 * 3 < threadCount { counts.append(count / 2 * 3) }
      count *= 2
    }
    return counts + [max(1, threadCount)]
  }

  /// The less of what the number took before and takes now. Precondition: more threads than before in this round.
  public mutating func add(_ time: Time) {
    precondition(time.threadCount > measuredThreadCount)
    measuredThreadCount = time.threadCount
    let index = times.firstIndex { $0.threadCount >= time.threadCount } ?? times.endIndex
    if index == times.endIndex || times[index].threadCount > time.threadCount {
      times.insert(time, at: index)
    } else if time.nanoseconds < times[index].nanoseconds {
      times[index] = time
    }
  }

  /// All numbers have been measured once more.
  public mutating func endRound() { (roundCount, measuredThreadCount) = (roundCount + 1, 0) }

  /// How many threads are worth taking; nil where nothing has been measured.
  public var worthwhileThreadCount: Int? {
    guard var chosen = times.first else { return nil }
    for time in times.dropFirst() {
      // n threads to m: at efficiency e the time falls from t to t · n / (n + e (m − n)).
      let (n, m) = (Double(chosen.threadCount), Double(time.threadCount))
      let limit = Double(chosen.nanoseconds) * n / (n + ThreadTimes.efficiencyMin * (m - n))
      if Double(time.nanoseconds) <= limit { chosen = time }
    }
    return chosen.threadCount
  }

  // MARK: Kept on the device

  private static let header = "thimble thread times 2"
  private static let byteCountMax = 4096

  /// The number of rounds, then one line a number of threads, with its nanoseconds.
  var text: String {
    var text = "\(ThreadTimes.header)\n\(roundCount)\n"
    for time in times { text += "\(time.threadCount) \(time.nanoseconds)\n" }
    return text
  }

  /// Nil where the text is not one that `text` wrote, or says what no device does.
  init?(parsing text: [UInt8]) {
    let lines = text.split(separator: UInt8(ascii: "\n"))
    guard lines.count > 2, lines[0].elementsEqual(ThreadTimes.header.utf8),
      let rounds = Int(String(decoding: lines[1], as: UTF8.self)), 1...ThreadTimes.roundCountMax ~= rounds
    else { return nil }
    for line in lines.dropFirst(2) {
      let words = line.split(separator: UInt8(ascii: " ")).map { Int64(String(decoding: $0, as: UTF8.self)) }
      guard words.count == 2, let count = words[0], let nanoseconds = words[1], nanoseconds > 0, count <= 1024,
        count > times.last?.threadCount ?? 0
      else { return nil }
      times.append(Time(threadCount: Int(count), nanoseconds: nanoseconds))
    }
    roundCount = rounds
  }

  /// What was measured before for the same model, kernels and number of threads at most.
  public static func cached(_ session: Session, isa: String) -> ThreadTimes? {
    guard let text = CacheFolder.bytes(of: name(session, isa), limit: byteCountMax),
      let times = ThreadTimes(parsing: text),
      times.times.map({ $0.threadCount }) == candidates(session.threadCount)
    else { return nil }
    return times
  }

  public func cache(_ session: Session, isa: String) {
    CacheFolder.keep(Array(text.utf8), as: ThreadTimes.name(session, isa))
  }

  private static func name(_ session: Session, _ isa: String) -> String {
    "threads-\(isa)-\(session.threadCount)-\(String(session.contentKey, radix: 16))"
  }
}
