//! How a page looks and whether everybody can use it: light and dark, narrow and wide.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::tab::Tab;
use crate::program::tool;

const WIDTHS: [u32; 2] = [320, 1280];
const SCHEMES: [&str; 2] = ["light", "dark"];

impl Tab {
    /// Looks at the page that is open, keeps pictures of it, and fails where axe finds anything or the page has to be
    /// scrolled sideways.
    pub async fn inspect(&mut self, name: &str) {
        self.look(name, true).await;
    }

    /// The same without axe, where a page lets no script run at all: not even that.
    pub async fn picture_only(&mut self, name: &str) {
        self.look(name, false).await;
    }

    async fn look(&mut self, name: &str, with_axe: bool) {
        if with_axe {
            let axe = tool("ADMIT_TEST_AXE", "target/tools/axe/node_modules/axe-core/axe.min.js");
            self.evaluate(&format!("{}; true", fs::read_to_string(axe).unwrap())).await;
        }
        for scheme in SCHEMES {
            let features = json!([{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]);
            self.browser.call("Emulation.setEmulatedMedia", json!({"features": features})).await;
            for width in WIDTHS {
                let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
                self.browser.call("Emulation.setDeviceMetricsOverride", size).await;
                let shown = format!("{name}-{scheme}-{width}");
                let overhang = self.evaluate("document.documentElement.scrollWidth - window.innerWidth").await;
                assert!(overhang.as_i64().unwrap() <= 0, "{shown}: {overhang} pixels too wide");
                self.picture(&shown).await;
                if with_axe {
                    self.judge(&shown).await;
                }
            }
        }
        self.browser.call("Emulation.setEmulatedMedia", json!({"features": []})).await;
        self.browser.call("Emulation.clearDeviceMetricsOverride", json!({})).await;
    }

    async fn judge(&mut self, shown: &str) {
        let found = self.evaluate("axe.run().then(found => found.violations)").await;
        let found: Vec<_> = found.as_array().unwrap().iter().map(in_short).collect();
        assert!(found.is_empty(), "{shown}: {found:#?}");
    }

    async fn picture(&mut self, name: &str) {
        let taken = self.browser.call("Page.captureScreenshot", json!({"captureBeyondViewport": true})).await;
        let picture = BASE64.decode(taken["data"].as_str().unwrap().as_bytes()).unwrap();
        let folder = folder();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }
}

fn in_short(violation: &Value) -> String {
    let places: Vec<_> = violation["nodes"].as_array().unwrap().iter().map(|node| &node["failureSummary"]).collect();
    format!("{} {}: {} {places:?}", violation["impact"], violation["id"], violation["help"])
}

/// Never committed.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/screenshots")
}
