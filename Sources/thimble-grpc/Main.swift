import System

@main
enum Main {
  static func main() {
    do throws(GatewayUsage) {
      let options = try GatewayOptions(Process.arguments)
      do throws(SystemError) {
        try Gateway(options).run()
      } catch {
        Console.error("thimble-grpc: \(error.message)")
        Process.exit(1)
      }
    } catch {
      switch error {
      case .help: Console.line(GatewayOptions.help)
      case .wrong(let text):
        Console.error("thimble-grpc: \(text); thimble-grpc --help says more")
        Process.exit(2)
      }
    }
  }
}
