import Foundation
import TestSupport
import Testing

/// The program as people use it: what it prints, and the status it ends with.
@Suite struct CommandTests {
  static let commands = ["demo", "import", "inspect", "run", "bench", "profile", "serve", "infer"]

  @Test func helpIsThere() throws {
    let overview = try Program.run(["--help"])
    #expect(overview.status == 0 && overview.error.isEmpty)
    for name in Self.commands {
      #expect(overview.output.contains("\n  \(name) "))
      for words in [[name, "--help"], [name, "-h"], [name, "MODEL", "--help"]] {
        let help = try Program.run(words)
        #expect(help.status == 0 && help.error.isEmpty, "\(words)")
        #expect(help.output.hasPrefix("usage: thimble \(name)") && help.output.contains("--help"), "\(words)")
      }
    }
    #expect(try Program.run(["--version"]).output.hasPrefix("thimble "))
    let nothing = try Program.run([])
    #expect(nothing.status == 2 && nothing.output == overview.output)
  }

  /// What a wrong command line is told; every one ends with status 2.
  @Test(arguments: [
    (["infer-all"], "thimble: there is no command infer-all; `thimble --help` lists them"),
    (["run", "--fast", "x"], "thimble run: thimble run has no option --fast; `thimble run --help` lists them"),
    (["inspect"], "thimble inspect: give one model, not 0; `thimble inspect --help` says more"),
    (["inspect", "a", "b"], "thimble inspect: give one model, not 2; `thimble inspect --help` says more"),
    (["bench", "x", "--threads"], "thimble bench: --threads needs a value: --threads N"),
    (["bench", "x", "--threads", "many"], "thimble bench: --threads takes a whole number from 1 to 64, not many"),
    (["bench", "x", "--runs=0"], "thimble bench: --runs takes a whole number from 1 to 1000000, not 0"),
    (["bench", "x", "--json=yes"], "thimble bench: --json takes no value"),
    (
      ["run", "x", "--memory-budget", "lots"],
      "thimble run: --memory-budget takes a size such as 65536, 512K, 64M or 1G, not lots"
    ),
  ]) func wrongCommandLines(_ words: [String], _ message: String) throws {
    let result = try Program.run(words)
    #expect(result.status == 2 && result.output.isEmpty)
    #expect(result.error == message + "\n")
  }

  @Test func unknownKernelsAreRefusedWithTheList() throws {
    let result = try Program.run(["run", SharedFiles.digits, "--isa", "abacus"])
    #expect(result.status == 2)
    #expect(result.error.hasPrefix("thimble run: --isa abacus: this processor or this build has only portable"))
  }

  @Test func importNeverReplacesWhatIsNoFile() throws {
    let folder = try TemporaryFolder()
    let result = try Program.run(["import", SharedFiles.digits, "-o", folder.path])
    #expect(result.status == 1)
    #expect(result.error.contains("cannot write over \(folder.path)"), "\(result.error)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test func importInspectRun() throws {
    let folder = try TemporaryFolder()
    let model = folder.file("digits.thimble")
    let imported = try Program.run(["import", SharedFiles.digits, "-o", model, "--json"])
    #expect(imported.status == 0, "\(imported.error)")
    let importJSON = try imported.json()
    let bytes = try FileManager.default.attributesOfItem(atPath: model)[.size] as? Int
    #expect(importJSON["bytes"] as? Int == bytes && importJSON["model"] as? String == model)

    let inspectJSON = try Program.run(["inspect", model, "--json"]).json()
    let operators = try #require(inspectJSON["operators"] as? [[String: Any]])
    #expect(operators.count == importJSON["operators"] as? Int)
    let inputs = try #require(inspectJSON["inputs"] as? [[String: Any]])
    let shape = try #require(inputs.first?["shape"] as? [Int])
    #expect(try Program.run(["inspect", model]).output.contains("million multiply-adds"))
    // The .tflite file itself shows the same network.
    #expect(try Program.run(["inspect", SharedFiles.digits, "--json"]).json()["operators"] as? [[String: Any]] != nil)

    let input = try folder.write("in.bin", [UInt8](repeating: 7, count: shape.reduce(1, *)))
    var answers: Set<[UInt8]> = []
    for path in [model, SharedFiles.digits] {
      for isa in ["portable", nil] {
        for threads in ["1", "3"] {
          let out = folder.file("out")
          let result = try Program.run(
            ["run", path, "--input", input, "--output-dir", out, "--json", "--threads", threads]
              + (isa.map { ["--isa", $0] } ?? []))
          #expect(result.status == 0, "\(result.error)")
          let json = try result.json()
          let outputs = try #require(json["outputs"] as? [[String: Any]])
          #expect(outputs.count == 1 && json["threads"] as? Int == Int(threads))
          answers.insert(try SharedFiles.bytes(try #require(outputs[0]["file"] as? String)))
        }
      }
    }
    #expect(answers.count == 1)
  }

  /// What cannot be read or run is one clear line and status 1.
  @Test func badFilesAreOneClearLine() throws {
    let folder = try TemporaryFolder()
    let missing = folder.file("none.thimble")
    let empty = try folder.write("empty.thimble", [])
    let model = folder.file("digits.thimble")
    #expect(try Program.run(["import", SharedFiles.digits, "-o", model]).status == 0)
    let whole = try SharedFiles.bytes(model)
    let cut = try folder.write("cut.thimble", Array(whole[..<(whole.count - 100)]))
    let cutSource = try folder.write("cut.tflite", Array(try SharedFiles.bytes(SharedFiles.digits)[..<9000]))
    let text = try folder.write("text.thimble", Array("this is no model at all\n".utf8))
    let input = try folder.write("in.bin", [1, 2, 3])
    let cases: [([String], String)] = [
      (["inspect", missing], "No such file or directory"), (["inspect", empty], "Invalid argument"),
      (["inspect", folder.path], "Invalid argument"), (["bench", cut], "it was cut off or changed"),
      (["run", cutSource, "--input", input], cutSource), (["inspect", text], "not a .thimble model"),
      (["import", text], "is not a TensorFlow Lite model"), (["import", missing], "No such file or directory"),
      (["import", SharedFiles.digits, "-o", folder.file("no/such/folder.thimble")], "No such file or directory"),
      (["run", model, "--input", input], "it has 3 bytes"),
      (["run", model, "--input", missing], "No such file or directory"),
      (["run", model, "--input", "nobody=" + input], "the inputs' names are image"),
      (["run", model, "--image", text], "is neither a BMP nor a PPM picture"),
    ]
    for (words, part) in cases {
      let result = try Program.run(words)
      #expect(result.status == 1 && result.output.isEmpty, "\(words): \(result.status) \(result.output)")
      #expect(result.error.hasPrefix("thimble \(words[0]): ") && result.error.contains(part), "\(result.error)")
      #expect(result.error.hasSuffix("\n") && result.error.filter { $0 == "\n" }.count == 1, "\(result.error)")
    }
    let withoutInput = try Program.run(["run", model])
    #expect(withoutInput.status == 2 && withoutInput.error.contains("is missing: give --input "))
  }

  @Test(.enabled(if: SharedFiles.arePresent, "no shared models")) func graceHopperWearsAUniform() throws {
    let models = SharedFiles.root + "/models"
    let result = try Program.run([
      "run", models + "/tf2_mobilenet_v2_1.0_224_ptq.tflite", "--image", models + "/grace_hopper.bmp", "--labels",
      models + "/imagenet_labels.txt",
    ])
    #expect(result.status == 0, "\(result.error)")
    let lines = result.output.split(separator: "\n")
    #expect(lines.count > 2 && lines[1].hasSuffix("military uniform"), "\(result.output)")
  }
}
