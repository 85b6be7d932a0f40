import Testing

@testable import Memory

/// Models that are asked in some order, simulated: what they keep, and how often that changes.
@Suite struct CacheSharesTests {
  struct World {
    var models: [CacheShares.Model]
    var scores: [UseScore]
    var lastUses: [Int64]
    let byteCount: Int
    var now: Int64 = 0
    var resizes = 0

    init(count: Int, most: Int, byteCount: Int) {
      models = (0..<count).map { _ in
        .init(score: 0, cacheByteCount: 0, cacheByteCountMax: most, idleNanoseconds: 0)
      }
      scores = models.map { _ in UseScore(at: 0) }
      lastUses = models.map { _ in 0 }
      self.byteCount = byteCount
    }

    var kept: [Int] { models.map { $0.cacheByteCount } }
    var free: Int { byteCount - kept.reduce(0, +) }

    mutating func use(_ index: Int, after nanoseconds: Int64) {
      now += nanoseconds
      for other in models.indices {
        models[other].score = scores[other].value(at: now)
        models[other].idleNanoseconds = now - lastUses[other]
      }
      let sizes = CacheShares.sizes(models, using: index, freeByteCount: free)
      for (other, size) in sizes.enumerated() where size != models[other].cacheByteCount {
        models[other].cacheByteCount = size
        resizes += 1
      }
      #expect(free >= 0 && models.allSatisfy { $0.cacheByteCount >= 0 && $0.cacheByteCount <= $0.cacheByteCountMax })
      scores[index].use(at: now)
      lastUses[index] = now
    }
  }

  static let second: Int64 = 1_000_000_000

  @Test(arguments: [1_000_000, 100_000_000, 1_000_000_000, 20_000_000_000, 300_000_000_000] as [Int64])
  func takingTurnsSettles(_ pause: Int64) {
    var world = World(count: 6, most: 1 << 20, byteCount: 5 << 19)
    for turn in 0..<12 { world.use(turn % 6, after: pause) }
    let settled = (world.kept, world.resizes)
    #expect(settled.0.reduce(0, +) == 5 << 19 && settled.1 <= 6)
    for turn in 0..<6000 { world.use(turn % 6, after: pause) }
    #expect(world.kept == settled.0 && world.resizes == settled.1)
  }

  @Test func aRandomOrderOfEqualsSettlesToo() {
    var world = World(count: 5, most: 1 << 20, byteCount: 2 << 20)
    var state: UInt64 = 7
    for _ in 0..<5000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      world.use(Int(state >> 33) % 5, after: Self.second / 5)
    }
    // Each has some thirty uses in its score: half of another's comes by chance once in a long while.
    #expect(world.resizes <= 20, "\(world.resizes)")
  }

  @Test func theMostUsedWins() {
    var world = World(count: 4, most: 1 << 20, byteCount: 2 << 20)
    for turn in 0..<8 { world.use(turn % 4, after: Self.second) }
    #expect(world.kept[3] == 0)
    for turn in 0..<400 { world.use(turn % 10 == 0 ? turn / 10 % 3 : 3, after: Self.second / 4) }
    #expect(world.kept[3] == 1 << 20)
    #expect(world.resizes <= 12, "\(world.resizes)")
  }

  @Test func aBurstEnds() {
    var world = World(count: 2, most: 1 << 20, byteCount: 1 << 20)
    for _ in 0..<2000 { world.use(0, after: Self.second / 100) }
    #expect(world.kept == [1 << 20, 0])
    // The other is asked every five seconds from now on, and has the memory within two minutes.
    for _ in 0..<24 { world.use(1, after: 5 * Self.second) }
    #expect(world.kept == [0, 1 << 20])
    #expect(world.resizes <= 3)
  }

  @Test func littleIsNotWorthAChange() {
    let model = CacheShares.Model(score: 5, cacheByteCount: 0, cacheByteCountMax: 4 << 20, idleNanoseconds: 0)
    #expect(CacheShares.sizes([model], using: 0, freeByteCount: 500 << 10) == [0])
    #expect(CacheShares.sizes([model], using: 0, freeByteCount: 600 << 10) == [600 << 10])
    #expect(CacheShares.sizes([model], using: 0, freeByteCount: -5) == [0])
    let full = CacheShares.Model(score: 5, cacheByteCount: 9000, cacheByteCountMax: 9000, idleNanoseconds: 0)
    #expect(CacheShares.sizes([full], using: 0, freeByteCount: 1 << 30) == [9000])
  }

  @Test func theLeastUsedGiveFirst() {
    func model(_ score: Double, _ cache: Int, least: Int = 0) -> CacheShares.Model {
      .init(
        score: score, cacheByteCount: cache, cacheByteCountMin: least, cacheByteCountMax: 1 << 20, idleNanoseconds: 0)
    }
    let models = [model(9, 1 << 20), model(1, 1 << 20, least: 1 << 19), model(4, 1 << 20)]
    let need = 700 << 10
    let left = need + CacheShares.quantumByteCount - (1 << 19)
    #expect(CacheShares.shrunk(models, by: need) == [1 << 20, 1 << 19, (1 << 20) - left])
    #expect(CacheShares.shrunk(models, by: 0) == [1 << 20, 1 << 20, 1 << 20])
    #expect(CacheShares.shrunk(models, by: Int.max) == [0, 1 << 19, 0])
    // Who asks gives last.
    #expect(CacheShares.shrunk(models, by: 1000, sparing: 1) == [1 << 20, 1 << 20, (1 << 20) - 1000 - (64 << 10)])
    #expect(CacheShares.shrunk([model(1, 100)], by: 1000, sparing: 0) == [0])
    #expect(CacheShares.shrunk([], by: 1000) == [])
  }

  @Test func scoresFade() {
    var score = UseScore(at: 0)
    #expect(score.value(at: 0) == 0)
    for _ in 0..<8 { score.use(at: 0) }
    #expect(score.value(at: 0) == 8 && score.value(at: 15 * Self.second) == 6 && score.value(at: 30 * Self.second) == 4)
    #expect(score.value(at: 90 * Self.second) == 1 && score.value(at: Int64.max) == 0)
    // A clock that stands still or goes back does no harm.
    score.use(at: -5)
    #expect(score.value(at: 0) == 9)
  }
}
