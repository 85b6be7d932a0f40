import Foundation
import TestSupport
import Testing

/// `thimble run --jsonl`, in the process itself and at a daemon.
@Suite struct BatchCommandTests {
  private func picture(_ index: Int) -> String {
    "[" + (0..<64).map { "\(($0 * 7 + index * 13) % 17)" }.joined(separator: ",") + "]"
  }

  private func request(_ index: Int, id: String) -> String {
    #"{"id":"\#(id)","inputs":[{"name":"image","shape":[1,8,8,1],"datatype":"UINT8","data":\#(picture(index))}]}"#
  }

  private func lines(_ path: String) throws -> [[String: Any]] {
    try String(decoding: try SharedFiles.bytes(path), as: UTF8.self).split(separator: "\n").map {
      try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
    }
  }

  private func data(_ line: [String: Any]) -> [Int] {
    ((line["outputs"] as? [[String: Any]])?.first?["data"] as? [Int]) ?? []
  }

  @Test func answersHere() throws {
    let folder = try TemporaryFolder()
    let input = try folder.write(
      "in.jsonl", Array("\(picture(0))\n\n\(request(1, id: "b"))\r\n  \n\(picture(2))".utf8))
    let output = folder.file("out.jsonl")
    let result = try Program.run(["run", SharedFiles.digits, "--jsonl", input, "--output", output, "--json"])
    #expect(result.status == 0, "\(result.error)")
    let summary = try result.json()
    #expect(summary["lines"] as? Int == 3 && summary["answered"] as? Int == 3 && summary["failed"] as? Int == 0)
    let answers = try lines(output)
    #expect(answers.count == 3 && answers.allSatisfy { data($0).count == 10 })
    #expect(answers[1]["id"] as? String == "b" && answers[0]["id"] == nil)
    #expect(result.error.isEmpty)
  }

  @Test func goesOnWhereItWasTorn() throws {
    let folder = try TemporaryFolder()
    let input = try folder.write("in.jsonl", Array((0..<5).map { picture($0) + "\n" }.joined().utf8))
    let (whole, torn) = (folder.file("whole.jsonl"), folder.file("torn.jsonl"))
    #expect(try Program.run(["run", SharedFiles.digits, "--jsonl", input, "--output", whole]).status == 0)
    let bytes = try SharedFiles.bytes(whole)
    // Whatever there is of the third line.
    let ends = bytes.indices.filter { bytes[$0] == 10 }.map { $0 + 1 }
    for count in [0, 5, ends[1], ends[1] + 1, ends[2] - 1, ends[2], bytes.count] {
      _ = try folder.write("torn.jsonl", Array(bytes[..<count]))
      let result = try Program.run(["run", SharedFiles.digits, "--jsonl", input, "--output", torn, "--json"])
      #expect(result.status == 0, "\(result.error)")
      #expect(try result.json()["skipped"] as? Int == ends.count { $0 <= count })
      #expect(try SharedFiles.bytes(torn) == bytes)
    }
    // The output of a longer job.
    let short = try folder.write("short.jsonl", Array((picture(0) + "\n").utf8))
    let result = try Program.run(["run", SharedFiles.digits, "--jsonl", short, "--output", whole])
    #expect(result.status == 1 && result.error.contains("another job's"))
    #expect(try SharedFiles.bytes(whole) == bytes)
  }

  @Test func badLinesAreAnsweredWithTheirErrors() throws {
    let folder = try TemporaryFolder()
    let input = try folder.write("in.jsonl", Array("[1,2]\n{\n\(picture(0))\n{\"inputs\":[]}\n".utf8))
    let output = folder.file("out.jsonl")
    let result = try Program.run(["run", SharedFiles.digits, "--jsonl", input, "--output", output, "--json"])
    #expect(result.status == 1 && result.error.contains("3 of 4 lines failed"))
    #expect(try result.json()["failed"] as? Int == 3)
    #expect(try lines(output).map { $0["error"] != nil } == [true, true, false, true])
    let usage = try Program.run(["run", SharedFiles.digits, "--jsonl", input])
    #expect(usage.status == 2 && usage.error.contains("--output is needed"))
  }

  @Test func answersOfADaemon() throws {
    let folder = try TemporaryFolder()
    let (socket, models) = (folder.file("socket"), folder.file("models"))
    try FileManager.default.createDirectory(atPath: models + "/digits/1", withIntermediateDirectories: true)
    #expect(
      try Program.run(["import", SharedFiles.digits, "-o", models + "/digits/1/model.thimble"]).status == 0)
    let server = Process()
    server.executableURL = URL(fileURLWithPath: Program.built)
    server.arguments = ["serve", "--models", models, "--socket", socket, "--memory-budget", "64M"]
    server.standardError = FileHandle.nullDevice
    try server.run()
    defer {
      server.terminate()
      server.waitUntilExit()
    }
    while !FileManager.default.fileExists(atPath: socket), server.isRunning { usleep(10_000) }
    let requests = (0..<40).map { $0 % 2 == 0 ? picture($0) : request($0, id: "\($0)") } + ["{\"inputs\":[]}"]
    let input = try folder.write("in.jsonl", Array(requests.joined(separator: "\n").utf8))
    let (here, there) = (folder.file("here.jsonl"), folder.file("there.jsonl"))
    _ = try Program.run(["run", SharedFiles.digits, "--jsonl", input, "--output", here])
    let result = try Program.run(
      ["run", "digits", "--jsonl", input, "--output", there, "--socket", socket, "--in-flight", "3", "--json"])
    #expect(result.status == 1, "\(result.error)")
    let summary = try result.json()
    #expect(summary["answered"] as? Int == 40 && summary["failed"] as? Int == 1)
    let (local, remote) = (try lines(here), try lines(there))
    #expect(remote.count == 41 && remote.map(data) == local.map(data))
    #expect(remote[7]["id"] as? String == "7" && remote[40]["error"] != nil)
    let gone = try Program.run(
      ["run", "digits", "--jsonl", input, "--output", there, "--socket", folder.file("none")])
    #expect(gone.status == 1 && gone.error.contains("no daemon listens"))
  }
}
