import System
import Testing

@Suite struct CacheFolderTests {
  @Test func forgetsWhatAnotherBuildMeasured() throws {
    let name = "test-\(Process.identifier)"
    CacheFolder.keep([1, 2, 3], as: name)
    // Nowhere to keep anything is no error.
    guard let folder = CacheFolder.path, let bytes = CacheFolder.bytes(of: name, limit: 3) else { return }
    let path = folder + "/" + name
    defer { try? FileSystem.remove(path) }
    #expect(bytes == [1, 2, 3])
    #expect(CacheFolder.bytes(of: name, limit: 2) == nil)

    var kept = try File.bytes(of: path, limit: 4096)
    kept[0] ^= 1
    let file = try File(creating: path)
    try kept.withUnsafeBytes { try file.write($0) }
    #expect(CacheFolder.bytes(of: name, limit: 3) == nil)
  }
}
