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

var targets: [Target] = [
  module("Tensors"),
  module("Protocols", ["Tensors"]),
]

if !embedded {
  targets += [
    .testTarget(name: "ProtocolsTests", dependencies: ["Protocols", "Tensors"], swiftSettings: swift)
  ]
}

let package = Package(name: "thimble", targets: targets)
