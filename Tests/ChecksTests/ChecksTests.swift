import Checks
import Testing

/// What `thimble-selftest` runs on a device.
@Test(arguments: Check.all.map(\.name)) func holds(_ name: String) throws {
  let check = try #require(Check.all.first { $0.name == name })
  #expect(check.run() == nil)
}
