import Memory
import System
import Tensors
import ThimbleClient

extension Command {
  static let demo = Command(
    name: "demo", positionals: "", summary: "see it work: a daemon reads handwritten digits",
    details: """
      Starts a daemon on a temporary socket with the digits model, sends it digits it was not trained on through the client
      library, shows what it answers, and then counts how many of all held-out digits it reads right.
      """,
    options: [
      Option("models", "DIR", "the model repository with digits/ in it (default: models)"),
      Option("memory-budget", "SIZE", "the daemon's budget (default 32M)"),
      Option("show", "N", "digits to draw (default 5)"),
    ],
    run: runDemo)

  private static func runDemo(_ arguments: Arguments) throws(CommandError) {
    let models = arguments.text("models") ?? "models"
    let budget = try arguments.byteCount("memory-budget") ?? 32 << 20
    let digits = try HeldOutDigits(path: models + "/digits/heldout.bin")
    let directory = "\(Process.environment("TMPDIR") ?? "/tmp")/thimble-demo-\(Process.identifier)"
    let socket = directory + "/thimble.sock"
    let daemon: ChildProcess
    do throws(SystemError) {
      try FileSystem.createDirectory(directory, mode: 0o700)
      daemon = try ChildProcess(
        path: "/proc/self/exe",
        arguments: [
          "serve", "--models", models, "--socket", socket, "--load", "digits", "--memory-budget", "\(budget)",
          "--quiet",
        ])
    } catch {
      throw .failure(error.message)
    }
    // The daemon ends and the folder goes, whatever happens.
    var failure: CommandError?
    do throws(CommandError) {
      try show(digits, daemon, socket: socket, count: try arguments.integer("show", in: 0...100) ?? 5, budget: budget)
    } catch {
      failure = error
    }
    var status: Int32 = 1
    if daemon.isRunning {
      daemon.terminate()
      status = (try? daemon.wait()) ?? 1
    }
    try? FileSystem.removeDirectory(directory)
    if let failure { throw failure }
    if status != 0 { throw .failure("the daemon ended with status \(status)") }
  }

  private static func show(_ digits: HeldOutDigits, _ daemon: ChildProcess, socket: String, count: Int, budget: Int)
    throws(CommandError)
  {
    let client = ThimbleClient(socketPath: socket)
    try waitUntilReady(client, daemon)
    // Digits of different kinds: every so many of the held-out set.
    let shown = (0..<min(count, digits.count)).map { $0 * digits.count / max(1, count) }
    var answers: [Answer] = []
    for index in shown { answers.append(try ask(client, digits, index)) }
    draw(digits, shown, answers)
    let peak = try peakResidentByteCount(client)
    Console.line(
      "memory: the daemon's peak is \(ByteCount.text(peak)) of a budget of \(ByteCount.text(budget))  "
        + bar(Double(peak) / Double(budget)))

    var right = 0
    var times: [Int64] = []
    for index in 0..<digits.count {
      let answer = try ask(client, digits, index)
      right += answer.digit == digits.label(index) ? 1 : 0
      times.append(answer.microseconds)
    }
    times.sort()
    Console.line(
      "accuracy: \(right) of \(digits.count) held-out digits read right, "
        + "\(Console.fixed(100 * Double(right) / Double(digits.count), 2)) %; "
        + "median round trip \(times[times.count / 2]) µs over the socket")
  }

  private struct Answer {
    let digit: Int
    let probability: Double
    let microseconds: Int64
  }

  private static func ask(_ client: ThimbleClient, _ digits: HeldOutDigits, _ index: Int) throws(CommandError) -> Answer
  {
    let input = ClientTensor(
      name: "image", elementType: .uint8, shape: Shape([1, digits.height, digits.width, 1]),
      bytes: digits.picture(index))
    let start = Clock.nowNanoseconds
    let result: ClientResult
    do { result = try client.infer("digits", inputs: [input]) } catch { throw .failure(error.message) }
    let microseconds = (Clock.nowNanoseconds - start) / 1000
    guard case .tensor(let output)? = result.outputs.first, let most = output.bytes.max(),
      let digit = output.bytes.firstIndex(of: most)
    else { throw .failure("the digits model answered without a tensor of probabilities") }
    return Answer(digit: digit, probability: Double(most) / 256, microseconds: microseconds)
  }

  private static func waitUntilReady(_ client: ThimbleClient, _ daemon: ChildProcess) throws(CommandError) {
    let deadline = Clock.nowNanoseconds + 10_000_000_000
    while Clock.nowNanoseconds < deadline {
      if let isReady = try? client.isReady(), isReady { return }
      guard daemon.isRunning else { throw .failure("the daemon ended; above it says why") }
      let pause = Futex()
      pause.wait(while: 0, timeoutNanoseconds: 5_000_000)
    }
    throw .failure("the daemon did not become ready within 10 s")
  }

  private static func draw(_ digits: HeldOutDigits, _ shown: [Int], _ answers: [Answer]) {
    // As many next to each other as 100 columns hold.
    let perRow = max(1, 100 / (2 * digits.width + 4))
    for first in stride(from: 0, to: shown.count, by: perRow) {
      let group = first..<min(first + perRow, shown.count)
      for row in 0..<digits.height {
        Console.line(group.map { digits.line(row, of: shown[$0]) + "    " }.joined())
      }
      Console.line(
        group.map { position in
          let answer = answers[position]
          let mark = answer.digit == digits.label(shown[position]) ? "" : " (\(digits.label(shown[position])))"
          let text =
            "\(answer.digit)\(mark)  \(Console.fixed(100 * answer.probability, 0)) %, \(answer.microseconds) µs"
          return TextColumn.left(text, 2 * digits.width + 4)
        }.joined())
      Console.line("")
    }
  }

  private static func peakResidentByteCount(_ client: ThimbleClient) throws(CommandError) -> Int {
    let text: String
    do { text = try client.metrics() } catch { throw .failure(error.message) }
    let name = Array("thimble_memory_peak_resident_bytes ".utf8)
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) where line.starts(with: name) {
      if let value = Int(String(decoding: line.dropFirst(name.count), as: UTF8.self)) { return value }
    }
    throw .failure("the daemon's metrics do not tell its memory")
  }

  /// A bar of 20 characters, filled to `share`.
  private static func bar(_ share: Double) -> String {
    let filled = max(0, min(20, Int(20 * share + 0.5)))
    return String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
  }
}
