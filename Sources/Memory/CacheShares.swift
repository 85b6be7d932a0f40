/// How models share what the budget has beyond their floors: by use, and without taking turns at each other's expense.
/// Pure: who is there and what is free go in, new sizes come out.
public enum CacheShares {
  /// What is known of one model.
  public struct Model: Sendable, Equatable {
    /// Its `UseScore` before the use that is decided upon.
    public var score: Double
    /// Bytes of weights kept now, at least and at most.
    public var cacheByteCount: Int
    public var cacheByteCountMin: Int
    public var cacheByteCountMax: Int
    public var idleNanoseconds: Int64

    public init(
      score: Double, cacheByteCount: Int, cacheByteCountMin: Int = 0, cacheByteCountMax: Int, idleNanoseconds: Int64
    ) {
      self.score = score
      self.cacheByteCount = cacheByteCount
      self.cacheByteCountMin = cacheByteCountMin
      self.cacheByteCountMax = cacheByteCountMax
      self.idleNanoseconds = idleNanoseconds
    }

    /// Bytes that it could give.
    var spareByteCount: Int { max(0, cacheByteCount - cacheByteCountMin) }

    /// What a model counts against others. A burst is forgotten when nothing has followed it for two half-lives: from then
    /// on it is worth no more than a few uses at its end.
    var worth: Double {
      guard idleNanoseconds >= 2 * UseScore.halfLifeNanoseconds else { return score }
      return min(score, UseScore.decayed(4, over: idleNanoseconds))
    }
  }

  /// A change of less than this, or than an eighth of what a model can keep, is not worth the decoding.
  public static let quantumByteCount = 64 << 10

  /// New sizes when model `used` is about to run with so many bytes free: free bytes go to it, then those of models that are
  /// used at most half as much, the least used first.
  ///
  /// Scores are compared as they were before this use, so that models that take turns never seem more used than the others
  /// at their own turn.
  public static func sizes(_ models: [Model], using used: Int, freeByteCount: Int) -> [Int] {
    var sizes = models.map { $0.cacheByteCount }
    let model = models[used]
    let wanted = model.cacheByteCountMax - model.cacheByteCount
    guard wanted > 0 else { return sizes }
    var granted = min(wanted, max(0, freeByteCount))
    for index in order(models) where index != used && granted < wanted {
      guard model.score > 0, 2 * models[index].worth <= model.score else { break }
      let taken = min(models[index].spareByteCount, wanted - granted)
      sizes[index] -= taken
      granted += taken
    }
    guard granted >= min(wanted, max(quantumByteCount, model.cacheByteCountMax / 8)) else {
      return models.map { $0.cacheByteCount }
    }
    sizes[used] += granted
    return sizes
  }

  /// New sizes that give at least `needed` bytes back, as far as there are so many: the least used first, `sparing` last.
  public static func shrunk(_ models: [Model], by needed: Int, sparing: Int? = nil) -> [Int] {
    var sizes = models.map { $0.cacheByteCount }
    // Somewhat more, so that many small needs do not shrink a cache many times.
    var left = needed <= 0 ? 0 : needed + min(quantumByteCount, Int.max - needed)
    for index in order(models).filter({ $0 != sparing }) + (sparing.map { [$0] } ?? []) {
      let taken = min(models[index].spareByteCount, left)
      sizes[index] -= taken
      left -= taken
    }
    return sizes
  }

  /// Least used first; of equals the longest idle.
  static func order(_ models: [Model]) -> [Int] {
    models.indices.sorted { first, second in
      let (a, b) = (models[first], models[second])
      if a.worth != b.worth { return a.worth < b.worth }
      if a.idleNanoseconds != b.idleNanoseconds { return a.idleNanoseconds > b.idleNanoseconds }
      return first < second
    }
  }
}
