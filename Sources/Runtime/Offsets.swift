/// Offsets of buffers, some of which are not there; compact, since several plans of a graph are made and compared.
struct Offsets: Sendable {
  /// −1 for none.
  private let offsets: [Int]

  init(_ offsets: some Collection<Int?>) { self.offsets = offsets.map { $0 ?? -1 } }

  subscript(index: Int) -> Int? { offsets[index] < 0 ? nil : offsets[index] }
}
