// swift-tools-version: 6.2
import PackageDescription

/// THIMBLE_EMBEDDED=1 builds everything in the Embedded subset and drops the tests, which need the ordinary runtime.
let embedded = Context.environment["THIMBLE_EMBEDDED"] == "1"

let swift: [SwiftSetting] =
  [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableExperimentalFeature("Lifetimes"),
  ] + (embedded ? [.enableExperimentalFeature("Embedded")] : [])

/// A Swift module of the product. `dependencies` lists only modules that stand above it in this file.
func module(_ name: String, _ dependencies: [String] = []) -> Target {
  .target(name: name, dependencies: dependencies.map { .init(stringLiteral: $0) }, swiftSettings: swift)
}

/// A test target; tests import the ordinary runtime, so Embedded builds have none.
func tests(_ name: String, _ dependencies: [String]) -> [Target] {
  if embedded { return [] }
  return [
    .testTarget(
      name: name, dependencies: dependencies.map { .init(stringLiteral: $0) },
      swiftSettings: [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")])
  ]
}

var targets: [Target] = [
  .target(name: "CKernels"),
  module("Tensors"),
  module("ModelFile", ["Tensors"]),
  module("Importing", ["Tensors", "ModelFile"]),
]
targets += tests("ImportingTests", ["Importing", "CKernels"])

let package = Package(name: "thimble", targets: targets)
