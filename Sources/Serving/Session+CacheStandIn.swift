import Memory
import Runtime
import System

/// A session that keeps all of its weights and has no cache to resize.
extension Session {
  var floorByteCount: Int { Mapping.roundedToPages(plan.arenaByteCount) }
  var cacheByteCount: Int { 0 }
  var cacheByteCountMax: Int { 0 }
  func resizeCache(to byteCount: Int) -> Int { 0 }
}
