//! What a run reached, as one HTML file that needs no network.
//!
//! [`render`] turns plain data into the page. Charts are inline SVG by plotters, and maud escapes every text that goes into the page.
//! Equal data make equal bytes: nothing in the page is of the time or the machine that wrote it.

mod chart;
mod clusters;
mod curves;
mod data;
mod figure;
mod format;
mod gains;
mod hardness;
mod mark;
mod masked;
mod metric;
mod over_seeds;
mod page;
mod palette;
mod pca;
mod scale;
mod scores;
mod settings;
mod summary;
mod table;
mod thin;
mod validation;

pub use data::{
    ArmCurves, ClusterMap, ClusterNote, ClusterSet, Fact, GainInterval, MapPoint, MaskedNegative, MeasureScore,
    ReportData, Scoreboard, SeedCurves, Settings, StageFacts, StepPoint, StratumHardness, SystemScore, ValidationPoint,
};
pub(crate) use gains::{GainEnds, gain_curves, gain_rows};
pub use page::render;
pub use pca::{Plane, principal_plane};
