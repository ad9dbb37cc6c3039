//! Lines over logarithmic axes, as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 50.0;
const TOP: f64 = 20.0;

/// One picture: what is along it, and its lines.
pub(super) struct Axis {
    pub(super) name: &'static str,
    pub(super) lines: [Line; 2],
}

/// One line.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) colour: &'static str,
    /// Along, and MB/s.
    pub(super) points: Vec<(f64, f64)>,
}

/// Both pictures, one beside the other.
pub(super) fn picture(axes: &[Axis; 2]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" \
         font-family=\"sans-serif\" font-size=\"11\" role=\"img\">\n\
         <title>Throughput of Candor and clamscan, in MB/s of CPU time</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        2.0 * (WIDTH + LEFT),
        HEIGHT + BOTTOM + TOP
    );
    for (number, axis) in axes.iter().enumerate() {
        let across = if number == 0 { 0.0 } else { WIDTH + LEFT };
        one(&mut svg, axis, across);
    }
    svg.push_str("</svg>\n");
    svg
}

/// A range of powers of ten, and where each value is on so many pixels.
struct Scale {
    low: f64,
    high: f64,
    pixels: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64> + Clone, pixels: f64) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min).log10().floor();
        let high = values.fold(1e-9, f64::max).log10().ceil().max(low + 1.0);
        Self { low, high, pixels }
    }

    fn place(&self, value: f64) -> f64 {
        (value.log10() - self.low) / (self.high - self.low) * self.pixels
    }

    /// The powers of ten in it.
    fn ticks(&self) -> Vec<f64> {
        let mut ticks = vec![10f64.powf(self.low)];
        while let Some(last) = ticks.last().filter(|last| last.log10() + 0.5 < self.high) {
            ticks.push(last * 10.0);
        }
        ticks
    }
}

fn one(svg: &mut String, axis: &Axis, across: f64) {
    let points = axis.lines.iter().flat_map(|line| line.points.iter());
    let along = Scale::of(points.clone().map(|point| point.0), WIDTH - 40.0);
    let up = Scale::of(points.map(|point| point.1), HEIGHT);
    let x = |value: f64| across + LEFT + along.place(value);
    let y = |value: f64| TOP + HEIGHT - up.place(value);
    let (base, right) = (TOP + HEIGHT, across + LEFT + along.pixels);
    for tick in up.ticks() {
        let at = y(tick);
        let _ = writeln!(
            svg,
            "<path d=\"M{:.1} {at:.1}H{right:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            across + LEFT,
            across + LEFT - 6.0,
            at + 4.0,
            short(tick)
        );
    }
    for tick in along.ticks() {
        let at = x(tick);
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {base:.1}V{:.1}\" stroke=\"#888\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            base + 4.0,
            base + 17.0,
            short(tick)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
         <text x=\"{:.1}\" y=\"12\">MB/s</text>",
        across + LEFT + along.pixels / 2.0,
        base + 36.0,
        axis.name,
        across + 8.0
    );
    for line in &axis.lines {
        draw(svg, line, (&x, &y));
    }
}

type Place<'p> = &'p dyn Fn(f64) -> f64;

fn draw(svg: &mut String, line: &Line, (x, y): (Place<'_>, Place<'_>)) {
    let colour = line.colour;
    let mut path = String::new();
    for (index, (along, up)) in line.points.iter().enumerate() {
        let letter = if index == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{:.1} {:.1}", x(*along), y(*up));
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
            x(*along),
            y(*up)
        );
    }
    let _ = writeln!(
        svg,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
    );
    if let Some((along, up)) = line.points.last() {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
            x(*along),
            y(*up) - 8.0,
            line.name
        );
    }
}

/// A power of ten as people write it.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.0}M", value / 1e6),
        value if value >= 1e3 => format!("{:.0}k", value / 1e3),
        value if value >= 1.0 => format!("{value:.0}"),
        value => format!("{value}"),
    }
}
