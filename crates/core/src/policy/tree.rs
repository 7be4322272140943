//! Finds the rules whose path pattern fits a path or covers another pattern, without looking at the others.
//!
//! A tree of segments: what a path can reach depends on its own segments, not on how many rules there are. Knows
//! patterns and numbers of rules, nothing else; lists are in the order in which rules were put in.

use super::pattern::{PathPattern, Segment};

/// The patterns of one host.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// By text, sorted.
    literals: Vec<(Box<str>, usize)>,
    capture: Option<usize>,
    /// Rules whose pattern ends here.
    closed: Vec<usize>,
    /// Rules whose pattern goes on with `**` here.
    open: Vec<usize>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Tree {
    /// Puts in a rule; call it in the order of the rules.
    pub(super) fn insert(&mut self, pattern: &PathPattern, rule: usize) {
        let mut at = 0;
        for segment in pattern.segments() {
            at = self.step(at, segment);
        }
        let node = &mut self.nodes[at];
        if pattern.is_open() { node.open.push(rule) } else { node.closed.push(rule) }
    }

    /// Shows each list of rules that fit.
    pub(super) fn visit<'t>(&'t self, path: &str, mut see: impl FnMut(&'t [usize])) {
        if let Some(rest) = path.strip_prefix('/') {
            self.walk(0, Some(rest), &mut see);
        }
    }

    /// Goes down at most as deep as patterns are long ([`super::pattern::MAX_SEGMENTS`]).
    fn walk<'t>(&'t self, at: usize, rest: Option<&str>, see: &mut impl FnMut(&'t [usize])) {
        let node = &self.nodes[at];
        see(&node.open);
        let Some(rest) = rest else { return see(&node.closed) };
        let (segment, rest) = rest.split_once('/').map_or((rest, None), |(segment, rest)| (segment, Some(rest)));
        if let Ok(place) = node.literals.binary_search_by(|(text, _)| (**text).cmp(segment)) {
            self.walk(node.literals[place].1, rest, see);
        }
        if let Some(next) = node.capture.filter(|_| !segment.is_empty()) {
            self.walk(next, rest, see);
        }
    }

    /// Shows each list of rules whose pattern takes every path that this one takes.
    pub(super) fn visit_covering<'t>(&'t self, pattern: &PathPattern, mut see: impl FnMut(&'t [usize])) {
        self.walk_covering(0, pattern.segments(), pattern.is_open(), &mut see);
    }

    fn walk_covering<'t>(&'t self, at: usize, rest: &[Segment], is_open: bool, see: &mut impl FnMut(&'t [usize])) {
        let node = &self.nodes[at];
        see(&node.open);
        let Some((segment, rest)) = rest.split_first() else {
            if !is_open {
                see(&node.closed);
            }
            return;
        };
        if let Segment::Literal(text) = segment
            && let Ok(place) = node.literals.binary_search_by(|(known, _)| known.cmp(text))
        {
            self.walk_covering(node.literals[place].1, rest, is_open, see);
        }
        let is_something = !matches!(segment, Segment::Literal(text) if text.is_empty());
        if let Some(next) = node.capture.filter(|_| is_something) {
            self.walk_covering(next, rest, is_open, see);
        }
    }

    fn step(&mut self, at: usize, segment: &Segment) -> usize {
        let new = self.nodes.len();
        let node = &mut self.nodes[at];
        let next = match segment {
            Segment::Capture(_) => *node.capture.get_or_insert(new),
            Segment::Literal(text) => match node.literals.binary_search_by(|(known, _)| known.cmp(text)) {
                Ok(place) => node.literals[place].1,
                Err(place) => {
                    node.literals.insert(place, (text.clone(), new));
                    new
                }
            },
        };
        if next == new {
            self.nodes.push(Node::default());
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(tree: &Tree, path: &str) -> Vec<usize> {
        let mut rules = Vec::new();
        tree.visit(path, |list| rules.extend(list));
        rules.sort_unstable();
        rules
    }

    proptest! {
        #[test]
        fn it_finds_what_patterns_match(
            patterns in prop::collection::vec("(/(a|b|\\{x\\})){0,3}(/|/\\*\\*)?", 0..20), path in "(/(a|b|c|)){0,4}",
        ) {
            let patterns: Vec<_> = patterns.iter().filter_map(|text| PathPattern::parse(text).ok()).collect();
            let mut tree = Tree::default();
            for (rule, pattern) in patterns.iter().enumerate() {
                tree.insert(pattern, rule);
            }
            let matching = patterns.iter().enumerate().filter(|(_, pattern)| pattern.matches(&path)).map(|(rule, _)| rule);
            prop_assert_eq!(found(&tree, &path), matching.collect::<Vec<_>>());
        }

        #[test]
        fn it_finds_what_covers_a_pattern(
            patterns in prop::collection::vec("(/(a|b|\\{x\\})){0,3}(/|/\\*\\*)?", 0..20),
        ) {
            let patterns: Vec<_> = patterns.iter().filter_map(|text| PathPattern::parse(text).ok()).collect();
            let mut tree = Tree::default();
            for (rule, pattern) in patterns.iter().enumerate() {
                tree.insert(pattern, rule);
            }
            for pattern in &patterns {
                let mut found: Vec<usize> = Vec::new();
                tree.visit_covering(pattern, |list| found.extend(list));
                found.sort_unstable();
                let covering = patterns.iter().enumerate().filter(|(_, other)| other.covers(pattern)).map(|(rule, _)| rule);
                prop_assert_eq!(found, covering.collect::<Vec<_>>());
            }
        }
    }
}
