// swift-tools-version: 6.2
import PackageDescription

/// THIMBLE_EMBEDDED=1 builds everything in the Embedded subset and drops the tests, which need the ordinary runtime.
let embedded = Context.environment["THIMBLE_EMBEDDED"] == "1"

/// THIMBLE_FUZZ=1 adds the program that fuzzes the readers, which see each other's inside; see Tests/Fuzzing/run.sh.
let fuzzing = Context.environment["THIMBLE_FUZZ"] == "1" && !embedded

/// THIMBLE_GRPC=1 adds the program that takes gRPC, which needs libnghttp2; see README.md.
let withGRPC = Context.environment["THIMBLE_GRPC"] == "1"

/// THIMBLE_SIGNATURES=1 lets the daemon check the signatures of models, which needs libsodium; see README.md.
let withSignatures = Context.environment["THIMBLE_SIGNATURES"] == "1"

let swift: [SwiftSetting] =
  [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableExperimentalFeature("Lifetimes"),
  ] + (embedded ? [.enableExperimentalFeature("Embedded")] : [])
  + (withSignatures ? [.define("THIMBLE_SIGNATURES")] : [])

/// A Swift module of the product. `dependencies` lists only modules that stand above it in this file.
/// `libraries` are C libraries to link: Embedded builds ignore a module map's `link`. `pages` are texts for people.
func module(_ name: String, _ dependencies: [String] = [], libraries: [String] = [], pages: [String] = []) -> Target {
  .target(
    name: name, dependencies: dependencies.map { .init(stringLiteral: $0) }, exclude: pages, swiftSettings: swift,
    linkerSettings: libraries.map { .linkedLibrary($0) })
}

/// A test target; tests import the ordinary runtime, so Embedded builds have none.
func tests(_ name: String, _ dependencies: [String]) -> [Target] {
  if embedded { return [] }
  return [
    .testTarget(
      name: name, dependencies: dependencies.map { .init(stringLiteral: $0) },
      swiftSettings: [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]
        + (withSignatures ? [.define("THIMBLE_SIGNATURES")] : []))
  ]
}

var targets: [Target] = [
  .target(name: "CSystem", cSettings: embedded ? [.define("THIMBLE_EMBEDDED")] : []),
  // Optimized in debug builds too: without, kernels of intrinsics take a hundred times as long, and more stack than threads have.
  .target(
    name: "CKernels", dependencies: ["CSystem"], exclude: ["arm/COUNTS.tsv"],
    cSettings: [.unsafeFlags(["-O2"], .when(configuration: .debug))]),
  .systemLibrary(name: "CZstd", pkgConfig: embedded ? nil : "libzstd", providers: [.apt(["libzstd-dev"])]),
  module("Tensors"),
  module("System", ["CSystem"]),
  module("ModelFile", ["Tensors", "System", "CZstd"], libraries: ["zstd"], pages: ["FORMAT.md"]),
  module("Importing", ["Tensors", "ModelFile"]),
  module("Memory", ["CSystem", "System", "ModelFile"]),
  module("Tables", ["Tensors", "System", "ModelFile", "Memory", "CKernels"], pages: ["FORMAT.md"]),
  module("Runtime", ["Tensors", "System", "ModelFile", "Memory", "CKernels", "CSystem"]),
  module("Power", ["System"]),
  module("Protocols", ["Tensors"]),
  // gRPC's messages as the daemon's HTTP; only `thimble-grpc` uses it.
  module("GRPC", ["Tensors", "Protocols"]),
  module(
    "Signatures", ["System", "Protocols"] + (withSignatures ? ["CSodium"] : []),
    libraries: withSignatures ? ["sodium"] : []),
  module("Devices", ["System", "Power", "Protocols"]),
  module(
    "Serving",
    ["Tensors", "System", "ModelFile", "Memory", "Tables", "Runtime", "Power", "Protocols", "Signatures", "Devices"]),
  module("ThimbleClient", ["Tensors", "System", "Protocols"], pages: ["python"]),
  // For programs in C: neither the daemon nor a Swift module uses it.
  .target(name: "CThimbleClient", exclude: ["examples"]),
  module("Checks", ["System", "ModelFile", "Importing", "Memory", "Runtime", "CKernels"]),
  .executableTarget(name: "thimble-selftest", dependencies: ["System", "Checks"], swiftSettings: swift),
  .executableTarget(
    name: "thimble",
    dependencies: [
      "CSystem", "Tensors", "System", "ModelFile", "Importing", "Memory", "Tables", "Runtime", "Power", "Protocols",
      "Signatures", "Devices", "Serving", "ThimbleClient",
    ],
    swiftSettings: swift),
]
if withGRPC {
  targets += [
    .systemLibrary(name: "CNghttp2", pkgConfig: embedded ? nil : "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .executableTarget(
      name: "thimble-grpc", dependencies: ["System", "Protocols", "GRPC", "CNghttp2"], swiftSettings: swift,
      linkerSettings: [.linkedLibrary("nghttp2")]),
  ]
}
if withSignatures {
  targets += [
    .systemLibrary(name: "CSodium", pkgConfig: embedded ? nil : "libsodium", providers: [.apt(["libsodium-dev"])])
  ]
}
if !embedded {
  targets += [
    .target(
      name: "TestSupport", dependencies: ["Tensors", "System", "ModelFile", "Importing", "Memory", "Runtime"],
      path: "Tests/TestSupport", swiftSettings: swift),
    .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
    .executableTarget(
      name: "AllocationProbe", dependencies: ["TestSupport", "CAllocationCounter"], path: "Tests/AllocationProbe",
      swiftSettings: swift),
    .target(
      name: "PowerSimulation", dependencies: ["Power", "Runtime", "TestSupport"], path: "Tests/PowerSimulation",
      swiftSettings: swift),
    .executableTarget(
      name: "PowerSimulator", dependencies: ["Power", "PowerSimulation"], path: "Tests/PowerSimulator",
      swiftSettings: swift),
  ]
}
if fuzzing {
  targets += [
    .target(name: "CFuzzing", path: "Tests/CFuzzing"),
    .executableTarget(
      name: "thimble-fuzz",
      dependencies: [
        "CFuzzing", "Tensors", "System", "ModelFile", "Importing", "Memory", "Tables", "Runtime", "Power", "Protocols",
        "GRPC", "Signatures", "Devices",
        "Serving", "ThimbleClient", "TestSupport",
      ],
      path: "Tests/Fuzzing", exclude: ["run.sh", "seeds", "json.dict"],
      swiftSettings: swift + [.unsafeFlags(["-parse-as-library"])]),
  ]
}
targets += tests("TensorsTests", ["Tensors"])
targets += tests("SystemTests", ["System", "CSystem"])
targets += tests("ModelFileTests", ["ModelFile", "TestSupport"])
targets += tests("ImportingTests", ["Importing", "TestSupport"])
targets += tests("MemoryTests", ["Memory", "TestSupport"])
targets += tests("TablesTests", ["Tables", "Memory", "ModelFile", "System", "TestSupport"])
targets += tests("RuntimeTests", ["Runtime", "TestSupport"])
targets += tests("ChecksTests", ["Checks"])
targets += tests("PowerTests", ["Power", "PowerSimulation", "System", "TestSupport"])
targets += tests("ProtocolsTests", ["Protocols", "Tensors"])
targets += tests("GRPCTests", ["GRPC", "Protocols", "Tensors"])
targets += tests("SignaturesTests", ["Signatures", "System"])
targets += tests("DevicesTests", ["Devices", "Memory", "Power", "Protocols", "System", "TestSupport"])
targets += tests(
  "ServingTests",
  [
    "Serving", "ThimbleClient", "Importing", "ModelFile", "Memory", "Runtime", "Protocols", "Power", "Devices",
    "System", "Tensors",
    "TestSupport",
  ])
targets += tests("ThimbleClientTests", ["ThimbleClient", "Protocols", "System", "Tensors"])
targets += tests("ArchitectureTests", ["TestSupport"])
// They run the built program.
targets += tests("CommandTests", ["thimble", "TestSupport"])
targets += tests("BudgetTests", ["thimble", "TestSupport"])

let package = Package(name: "thimble", targets: targets)
