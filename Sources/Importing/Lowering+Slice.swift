import ModelFile
import Tensors

/// SLICE, STRIDED_SLICE, SPLIT, SPLIT_V and UNPACK: parts of a tensor, each one copy.
extension GraphBuilder {
  /// The indices of one axis that a slice takes: start, start + step, … `count` of them.
  struct SliceAxis {
    var start: Int
    var count: Int
    var step = 1
  }

  /// Appends the copy of the elements that `axes` take; `shape` is the output's, of as many elements.
  private mutating func emitSlice(
    _ node: TFLiteOperator, _ input: Operand, _ output: Operand, _ axes: [SliceAxis], shape: Shape
  ) throws(ImportError) {
    let bytes = input.type.byteCount
    let taken = Shape(axes.map { $0.count })
    var offset = 0
    var loops: [CopyAxis] = []
    for (index, axis) in axes.enumerated() {
      let stride = input.shape.stride(of: index) * bytes
      offset += axis.start * stride
      loops.append(
        CopyAxis(extent: axis.count, source: axis.step * stride, destination: taken.stride(of: index) * bytes))
    }
    let region = Copy.Region(sourceOffset: offset, elementBytes: bytes, axes: loops)
    let copy = Copy(fill: nil, regions: [region])
    try emit(node, .copy(copy), inputs: [try value(of: input)], output: output, shape: shape)
  }

  /// input, begin, size (−1: the rest)
  mutating func lowerSlice(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try movedPair(node)
    let begins = try constantIntegers(node, 1)
    let sizes = try constantIntegers(node, 2)
    guard begins.count == input.shape.rank, sizes.count == begins.count else { throw fail(node, .rank(begins.count)) }
    var axes: [SliceAxis] = []
    for axis in begins.indices {
      let extent = input.shape[axis]
      guard (0..<extent).contains(begins[axis]) else { throw fail(node, .option("a slice's begin", begins[axis])) }
      let size = sizes[axis] == -1 ? extent - begins[axis] : sizes[axis]
      guard (1...extent - begins[axis]).contains(size) else { throw fail(node, .option("a slice's size", sizes[axis])) }
      axes.append(SliceAxis(start: begins[axis], count: size))
    }
    try emitSlice(node, input, output, axes, shape: Shape(axes.map { $0.count }))
  }

  /// input, begin, end, strides; masks in the options
  mutating func lowerStridedSlice(_ node: TFLiteOperator) throws(ImportError) {
    let (input, output) = try movedPair(node)
    let begins = try constantIntegers(node, 1)
    let ends = try constantIntegers(node, 2)
    let strides = try constantIntegers(node, 3)
    guard begins.count <= input.shape.rank, ends.count == begins.count, strides.count == begins.count else {
      throw fail(node, .rank(begins.count))
    }
    let options = try options(of: node)
    for (name, field) in [("the ellipsis mask", 2), ("the new axis mask", 3)] {
      let mask = try options.integer(field, Int32.self)
      guard mask == 0 else { throw fail(node, .option(name, mask)) }
    }
    let (beginMask, endMask) = (try options.integer(0, Int32.self), try options.integer(1, Int32.self))
    let shrinkMask = try options.integer(4, Int32.self)
    let isEndRelative = try options.bool(5)
    var axes: [SliceAxis] = []
    var dimensions: [Int] = []
    for axis in 0..<input.shape.rank {
      guard axis < begins.count else {
        axes.append(SliceAxis(start: 0, count: input.shape[axis]))
        dimensions.append(input.shape[axis])
        continue
      }
      let isShrunk = shrinkMask >> axis & 1 != 0
      let range = SliceRange(
        begin: beginMask >> axis & 1 != 0 ? nil : begins[axis], end: endMask >> axis & 1 != 0 ? nil : ends[axis],
        stride: strides[axis], isEndRelative: isEndRelative)
      guard range.stride != 0, abs(range.stride) <= ImportLimits.tensorBytesMax, range.stride > 0 || !isShrunk else {
        throw fail(node, .option("the stride", strides[axis]))
      }
      let taken = isShrunk ? range.single(in: input.shape[axis]) : range.resolve(in: input.shape[axis])
      guard let taken else { throw fail(node, .option("the count of elements along an axis", 0)) }
      axes.append(taken)
      if !isShrunk { dimensions.append(taken.count) }
    }
    try emitSlice(node, input, output, axes, shape: Shape(dimensions))
  }

  /// axis, input → equal parts
  mutating func lowerSplit(_ node: TFLiteOperator) throws(ImportError) {
    let input = try input(node, 1)
    let axis = try axis(try constantInteger(node, 0), rank: input.shape.rank, of: node)
    let parts = node.outputs.count
    guard parts > 0, input.shape[axis] % parts == 0 else { throw fail(node, .outputCount(parts)) }
    let sizes = [Int](repeating: input.shape[axis] / parts, count: parts)
    try emitParts(node, input, axis: axis, sizes: sizes, dropsAxis: false)
  }

  /// input, sizes (one may be −1: the rest), axis → parts of those sizes
  mutating func lowerSplitBySizes(_ node: TFLiteOperator) throws(ImportError) {
    let input = try input(node, 0)
    let axis = try axis(try constantInteger(node, 2), rank: input.shape.rank, of: node)
    var sizes = try constantIntegers(node, 1)
    let extent = input.shape[axis]
    var known = 0
    for size in sizes where size != -1 {
      guard (1...extent).contains(size) else { throw fail(node, .option("a part's size", size)) }
      known += size
    }
    if let open = sizes.firstIndex(of: -1) {
      sizes[open] = extent - known
      known = extent
    }
    guard known == extent, sizes.allSatisfy({ $0 > 0 }) else {
      throw fail(node, .option("the sum of the parts", known))
    }
    guard sizes.count == node.outputs.count else { throw fail(node, .outputCount(node.outputs.count)) }
    try emitParts(node, input, axis: axis, sizes: sizes, dropsAxis: false)
  }

  /// Slices of extent 1 along an axis, without that axis.
  mutating func lowerUnpack(_ node: TFLiteOperator) throws(ImportError) {
    let input = try input(node, 0)
    let axis = try axis(try options(of: node).integer(1, Int32.self), rank: input.shape.rank, of: node)
    guard node.outputs.count == input.shape[axis] else { throw fail(node, .outputCount(node.outputs.count)) }
    let sizes = [Int](repeating: 1, count: input.shape[axis])
    try emitParts(node, input, axis: axis, sizes: sizes, dropsAxis: true)
  }

  private mutating func emitParts(
    _ node: TFLiteOperator, _ input: Operand, axis: Int, sizes: [Int], dropsAxis: Bool
  ) throws(ImportError) {
    var start = 0
    for (position, size) in sizes.enumerated() {
      let output = try output(node, position)
      guard output.type == input.type else { throw fail(node, .elementType(tensor: output.name, type: output.type)) }
      var axes = input.shape.dimensions.map { SliceAxis(start: 0, count: $0) }
      axes[axis] = SliceAxis(start: start, count: size)
      var dimensions = axes.map { $0.count }
      if dropsAxis { dimensions.remove(at: axis) }
      try emitSlice(node, input, output, axes, shape: Shape(dimensions))
      start += size
    }
  }
}

/// One axis of a STRIDED_SLICE as written; nil where a mask opens that side.
struct SliceRange {
  var begin: Int?
  var end: Int?
  var stride: Int
  /// The end counts from the begin.
  var isEndRelative: Bool

  /// Index or end, counted from the back where negative, limited to what iteration in this direction may reach.
  private func limited(_ index: Int, _ extent: Int) -> Int {
    let counted = index < 0 ? index + extent : index
    return stride > 0 ? max(0, min(extent, counted)) : max(-1, min(extent - 1, counted))
  }

  /// What it takes of an axis; nil where that is nothing.
  func resolve(in extent: Int) -> GraphBuilder.SliceAxis? {
    let start = begin.map { limited($0, extent) } ?? (stride > 0 ? 0 : extent - 1)
    let stop = end.map { limited(isEndRelative ? $0 + start : $0, extent) } ?? (stride > 0 ? extent : -1)
    let reach = stride > 0 ? stop - start : start - stop
    guard reach > 0 else { return nil }
    return GraphBuilder.SliceAxis(start: start, count: (reach + abs(stride) - 1) / abs(stride), step: stride)
  }

  /// The one element of an axis that is then dropped.
  func single(in extent: Int) -> GraphBuilder.SliceAxis? {
    let start = begin.map { limited($0, extent) } ?? 0
    return start < extent ? GraphBuilder.SliceAxis(start: start, count: 1) : nil
  }
}
