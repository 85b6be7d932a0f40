extension Copy {
  /// Whether the regions are known to write every one of the output's bytes. Copies that importers make are; where this is
  /// false, the output must be cleared first, or bytes of another tensor would show.
  ///
  /// Each region is a chunk repeated at every multiple of a period; with one period for all, the chunks must fill it.
  public func covers(_ outputByteCount: Int) -> Bool {
    if fill != nil { return true }
    var chunks: [Range<Int>] = []
    chunks.reserveCapacity(regions.count)
    var period: Int?
    for region in regions {
      guard let repetition = region.repetition(in: outputByteCount), period ?? repetition.period == repetition.period
      else { return false }
      period = repetition.period
      chunks.append(repetition.chunk)
    }
    chunks.sort { $0.lowerBound < $1.lowerBound }
    var end = 0
    for chunk in chunks {
      guard chunk.lowerBound <= end else { return false }
      end = max(end, chunk.upperBound)
    }
    return end == period
  }
}

extension Copy.Region {
  /// The bytes of each period that the region writes, where it writes the same ones in each of the output's periods.
  fileprivate func repetition(in outputByteCount: Int) -> (period: Int, chunk: Range<Int>)? {
    var axes: [(stride: Int, extent: Int)] = []
    for (stride, extent) in zip(destinationStrides, extents) where extent > 1 { axes.append((stride, extent)) }
    axes.sort { $0.stride < $1.stride }
    var chunk = runByteCount
    var outer = axes[...]
    while let axis = outer.first, axis.stride == chunk {
      chunk *= axis.extent
      outer = outer.dropFirst()
    }
    let period = outer.first?.stride ?? outputByteCount
    var end = period
    for axis in outer {
      guard axis.stride == end else { return nil }
      end *= axis.extent
    }
    guard end == outputByteCount, period > 0, destinationOffset + chunk <= period else { return nil }
    return (period, destinationOffset..<destinationOffset + chunk)
  }
}
