import Devices
import Power
import System

/// A replayed trace as one page that needs nothing beside it: heat, states, threads and pauses over time, and every change.
struct PowerPage {
  private static let width = 1000.0
  private static let heatHeight = 260.0
  private static let laneHeight = 90.0
  private static let colors = ["#3a6", "#cb3", "#e83", "#d33"]

  private let timeline: PowerTimeline
  private var text = ""

  var bytes: [UInt8] { Array(text.utf8) }

  init(_ timeline: PowerTimeline, path: String) {
    self.timeline = timeline
    let title = ProfilePage.escaped(path)
    text = ProfilePage.head(title: title)
    put("<h1>")
    put(title)
    put("</h1>\n<p>")
    put(timeline.summary)
    put("</p>\n")
    let height = Int(PowerPage.heatHeight + 2 * PowerPage.laneHeight) + 40
    put("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-70 -10 1080 \(height)\" role=\"img\">\n")
    addStates()
    addHeat()
    let most = timeline.points.reduce(1) { max($0, $1.threadCount) }
    addLane(0, "threads", most, timeline.points.map { $0.threadCount })
    addLane(1, "duty %", 100, timeline.points.map { $0.dutyPercent })
    addTimes()
    put("</svg>\n<table><tr>")
    for title in PowerTimeline.titles {
      put("<th class=\"l\">")
      put(title)
      put("</th>")
    }
    put("</tr>\n")
    for change in timeline.changes {
      put("<tr>")
      for cell in PowerTimeline.cells(change) {
        put("<td class=\"l\">")
        put(ProfilePage.escaped(cell))
        put("</td>")
      }
      put("</tr>\n")
    }
    put("</table></body></html>\n")
  }

  /// Called from everywhere: not inlined, it is a third of the code.
  @inline(never)
  private mutating func put(_ more: String) { text += more }

  private func x(_ milliseconds: Int) -> Double {
    PowerPage.width * Double(milliseconds) / Double(max(1, timeline.milliseconds))
  }

  private static func number(_ value: Double) -> String { Console.fixed(value, 1) }

  /// Bands behind everything, one for each time that a state lasts.
  private mutating func addStates() {
    let points = timeline.points
    var start = 0
    for index in points.indices where index + 1 == points.count || points[index + 1].state != points[index].state {
      let left = x(points[start].milliseconds)
      let right = index + 1 < points.count ? x(points[index + 1].milliseconds) : PowerPage.width
      let state = points[index].state
      put("<rect x=\"")
      put(PowerPage.number(left))
      put("\" y=\"0\" width=\"")
      put(PowerPage.number(max(0.5, right - left)))
      put("\" height=\"")
      put(PowerPage.number(PowerPage.heatHeight))
      put("\" fill=\"")
      put(PowerPage.colors[state.rawValue])
      put("\" opacity=\"0.25\"><title>")
      put(state.name)
      put("</title></rect>\n")
      start = index + 1
    }
  }

  private mutating func addHeat() {
    let temperatures = timeline.points.compactMap { $0.temperature }
    guard let coolest = temperatures.min(), let hottest = temperatures.max() else {
      put(ProfilePage.label(0, 14, "no sensor of heat"))
      return
    }
    let bottom = coolest / 10_000 * 10_000 - 5000
    let top = max(hottest, timeline.passiveTrip ?? hottest) + 5000
    func y(_ temperature: Int) -> Double {
      PowerPage.heatHeight * (1 - Double(temperature - bottom) / Double(max(1, top - bottom)))
    }
    if let trip = timeline.passiveTrip {
      addLine([(0, y(trip)), (PowerPage.width, y(trip))], "stroke=\"#d33\" stroke-dasharray=\"6 4\"")
      put(ProfilePage.label(PowerPage.width - 90, y(trip) - 4, "trip " + PowerTable.degrees(trip)))
    }
    for temperature in [coolest, hottest] {
      put(ProfilePage.label(-66, y(temperature) + 4, PowerTable.degrees(temperature)))
    }
    var line: [(Double, Double)] = []
    for point in timeline.points {
      if let temperature = point.temperature {
        line.append((x(point.milliseconds), y(temperature)))
      } else {
        // A gap where no sensor could be read.
        addLine(line, "stroke=\"#36c\"")
        line = []
      }
    }
    addLine(line, "stroke=\"#36c\"")
  }

  private mutating func addLane(_ lane: Int, _ name: String, _ most: Int, _ values: [Int]) {
    let floor = PowerPage.heatHeight + Double(lane + 1) * PowerPage.laneHeight
    func y(_ value: Int) -> Double { floor - (PowerPage.laneHeight - 20) * Double(value) / Double(max(1, most)) }
    put(ProfilePage.label(-66, y(most) + 4, "\(most) " + name))
    var line: [(Double, Double)] = []
    for (point, value) in zip(timeline.points, values) {
      if let before = line.last { line.append((x(point.milliseconds), before.1)) }
      line.append((x(point.milliseconds), y(value)))
    }
    if let before = line.last { line.append((PowerPage.width, before.1)) }
    addLine(line, "stroke=\"#666\"")
    addLine([(0, floor), (PowerPage.width, floor)], "stroke=\"#8884\"")
  }

  private mutating func addTimes() {
    let y = PowerPage.heatHeight + 2 * PowerPage.laneHeight + 16
    for part in 0...4 {
      let milliseconds = timeline.milliseconds / 4 * part
      put(ProfilePage.label(x(milliseconds) - (part == 4 ? 45 : 0), y, PowerTimeline.time(milliseconds)))
    }
  }

  private mutating func addLine(_ points: [(Double, Double)], _ style: String) {
    guard points.count > 1 else { return }
    put("<polyline fill=\"none\" ")
    put(style)
    put(" points=\"")
    for point in points {
      put(PowerPage.number(point.0))
      put(",")
      put(PowerPage.number(point.1))
      put(" ")
    }
    put("\"/>\n")
  }
}
