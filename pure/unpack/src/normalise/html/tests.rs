//! Constructs and what the peer makes of them, and documents made to cost.

use proto::{Limits, Unlimited};

use super::walk::LINKS_MAX;
use super::*;

fn budget(limits: Limits) -> Budget {
    Budget::new(limits, Unlimited::clock_ms)
}

fn views(text: &[u8]) -> (String, String, String) {
    let mut budget = budget(Limits::default());
    let (views, stop) = html(&text, &mut budget);
    assert_eq!(stop, None);
    let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect();
    let all = (
        text(views.without_comments()),
        text(views.without_tags()),
        text(views.scripts()),
    );
    views.discard(&mut budget);
    assert_eq!(budget.memory_left(), Limits::default().memory_bytes_max);
    all
}

#[test]
fn tags_comments_and_white_space_go() {
    for (text, comments, tags) in [
        (
            "<html><b> x </b> y<i>z</i>",
            "<html><b>x </b>y<i>z</i>",
            " x y z ",
        ),
        ("<!-- c --> y <!-- d -->z", "y z", " y z"),
        ("a < b > c <> d </> e", "a <b>c <>d </>e", "a c d e"),
        (
            "<br/>a<br />b<P\n\tX = 'Y z' c>d",
            "<br/>a<br />b<p x=\"y z\" c>d",
            " a b d",
        ),
        (
            "<p a=\"b>c\">d<p a=\"b > c\">e",
            "<p a=\"b>c\">d<p a=\"b >c\">e",
            " d c\">e",
        ),
        (
            "<a href=Q>x</a><img src='R s'>",
            "<a href=q>x</a><img src=\"r s\">",
            " Q x R s ",
        ),
        ("<style> a { b }</STYLE>c", "<style>a{b}</style>c", " c"),
    ] {
        let (found_comments, found_tags, _) = views(text.as_bytes());
        assert_eq!(
            (found_comments.as_str(), found_tags.as_str()),
            (comments, tags),
            "{text}"
        );
    }
}

#[test]
fn references_are_resolved() {
    for (text, comments, tags) in [
        ("&lt;&amp;&#65;B&#x42 c&#67d", "<&abB cCd", " b c d"),
        ("&bogus;&LT;&nbsp x", "&bogus;&lt;&nbsp x", " x"),
        (
            "&#300;&euro;&#65536;&#1114177;x",
            "&#x012c;&#x20ac;Ax",
            " x",
        ),
        (
            "<p a=\"&lt;&#66;&quot;\" b=&amp;>",
            "<p a=\"<b\"\" b=&>",
            " ",
        ),
        ("a &", "a ", "a "),
        ("&eacute", "\u{e9}", " "),
    ] {
        let (found_comments, found_tags, _) = views(text.as_bytes());
        assert_eq!(
            (found_comments.as_str(), found_tags.as_str()),
            (comments, tags),
            "{text}"
        );
    }
}

#[test]
fn scripts_stand_by_themselves() {
    let (comments, tags, scripts) =
        views(b"a<script>var X = 'y' ; </script>b<SCRIPT src=q>f( 1 )</script >c<script>d");
    assert_eq!(
        scripts,
        "<script>var n000=\"y\";</script>\n<script>f(1)</script</script>\n<script>d</script>"
    );
    assert_eq!(
        comments,
        "a<script>varx=\"y\";</script>b<script src=q>f(1)</script>c<script>d"
    );
    assert_eq!(tags, "a b >c ");
}

#[test]
fn utf16_is_read_as_the_peer_reads_it() {
    let wide: Vec<u8> = "\u{feff}<html>A &lt; b"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(views(&wide).0, "\u{df}<html>a < b");
}

#[test]
fn data_links_come_out() {
    let mut budget = budget(Limits::default());
    let text =
        b"<img src=\"data:image/png;base64,AAEC\"><a href='data:,a%20b'>x<p a=data:;base64,QQ>";
    let (views, _) = html(&text.as_slice(), &mut budget);
    let links: Vec<_> = views.links().collect();
    assert_eq!(
        links,
        [&b"image/png;base64,AAEC"[..], b",a%20b", b";base64,QQ"]
    );
    assert_eq!(views.without_tags(), b"  x ".get(1..).unwrap());
    views.discard(&mut budget);
}

#[test]
fn what_costs_ends_by_a_named_limit() {
    let small = Limits {
        memory_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let many_links = b"<a href=data:,>".repeat(LINKS_MAX + 1);
    let long_script = [b"<script>".to_vec(), b"a;".repeat(1 << 17)].concat();
    for (bytes, limits, reason) in [
        (b"<html>text".repeat(200_000), small, Reason::LimitMemory),
        (many_links, Limits::default(), Reason::LimitObjects),
        (long_script, small, Reason::LimitMemory),
    ] {
        let mut budget = budget(limits);
        let (views, stop) = html(&bytes.as_slice(), &mut budget);
        views.discard(&mut budget);
        assert_eq!(stop.map(|stop| stop.0), Some(reason));
        assert_eq!(budget.memory_left(), limits.memory_bytes_max);
    }
}

#[test]
fn every_construct_stays_linear() {
    for piece in [
        "<",
        "&",
        "&#",
        "<a href=",
        "<!--",
        "<script>",
        "</script",
        "&x",
        "\"",
        "<p a='",
        "<script>eval('",
        "<script>function a(",
        "<style>",
        "data:",
        "<a href=data:",
        "var ",
        "<!",
    ] {
        let bytes = piece.repeat(400_000 / piece.len()).into_bytes();
        let mut budget = budget(Limits::default());
        let (views, _) = html(&bytes.as_slice(), &mut budget);
        assert!(
            views.without_comments().len() <= bytes.len() * 2 + 64,
            "{piece}"
        );
        views.discard(&mut budget);
    }
}
