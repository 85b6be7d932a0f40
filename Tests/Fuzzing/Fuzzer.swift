import CFuzzing
import Glibc

/// What libFuzzer calls. `THIMBLE_FUZZ_TARGET` names the reader that gets the bytes; without it the first.
enum Fuzzer {
  typealias Target = @Sendable (UnsafeRawBufferPointer) -> Void

  static let targets: [(name: String, run: Target)] = [
    ("tflite", ModelTargets.tflite),
    ("thimble", ModelTargets.file),
    ("graph", ModelTargets.graph),
    ("table", TableTargets.table),
    ("source", TableTargets.source),
    ("http", ProtocolTargets.http),
    ("json", ProtocolTargets.json),
    ("infer", ProtocolTargets.infer),
    ("predict", ProtocolTargets.predict),
    ("region", SharedMemoryTargets.region),
    ("reply", ReplyTargets.reply),
    ("call", CallTargets.call),
    ("answer", CallTargets.answer),
    ("config", FileTargets.configuration),
    ("profile", FileTargets.profile),
    ("target", FileTargets.target),
    ("trace", FileTargets.readings),
    ("signature", FileTargets.signature),
  ]

  /// Bytes of one allocation that no input may cause: far above what a few kilobytes need.
  static let allocationByteCountMax = 16 << 20

  static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  /// A use of the value, so that computing it is not left out.
  @inline(never) @_optimize(none) static func keep<Value>(_ value: Value) {}

  nonisolated(unsafe) static var target: Target = { _ in }

  static func start() {
    if let folder = environment("THIMBLE_FUZZ_SEEDS") {
      Seeds.write(to: folder)
      exit(0)
    }
    let name = environment("THIMBLE_FUZZ_TARGET") ?? targets[0].name
    guard let found = targets.first(where: { $0.name == name }) else {
      print("THIMBLE_FUZZ_TARGET is one of " + targets.map { $0.name }.joined(separator: ", "))
      exit(2)
    }
    target = found.run
    // What is made once, such as a memory budget's tables, is made before anything is bounded.
    withUnsafeBytes(of: 0) { target($0) }
  }
}

@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>>>
) -> CInt {
  Fuzzer.start()
  return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let bytes = UnsafeRawBufferPointer(start: fuzzing_guarded(bytes, count), count: count)
  // The fuzzer's own allocations are none of its business.
  fuzzing_limit_allocations(Fuzzer.allocationByteCountMax)
  Fuzzer.target(bytes)
  fuzzing_limit_allocations(0)
  return 0
}
