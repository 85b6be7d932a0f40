import CKernels

/// The kernel table of one instruction set.
public struct Kernels: @unchecked Sendable {
  let table: UnsafePointer<thimble_kernels>

  public var name: String { String(cString: table.pointee.name) }

  /// Every table this build has and this processor can run, fastest last.
  public static var supported: [Kernels] {
    all.filter { thimble_kernels_are_supported($0.table) }
  }

  /// Every table this build has.
  public static var all: [Kernels] {
    var tables: [Kernels] = []
    while let table = thimble_kernel_table(tables.count) { tables.append(Kernels(table: table)) }
    return tables
  }

  /// The fastest that this processor runs.
  public static var best: Kernels { supported.last! }  // portable is always there

  /// The table that `--isa` names; nil where this build or this processor lacks it.
  public static func named(_ name: String) -> Kernels? { supported.first { $0.name == name } }
}
