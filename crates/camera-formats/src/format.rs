//! The formats by name.

use std::fmt;
use std::str::FromStr;

/// What a camera speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Plate Recognizer Stream and Snapshot.
    PlateRecognizer,
    /// `ParkPow`'s `log-vehicle`.
    ParkPow,
    /// Rekor Scout, `OpenALPR`.
    Rekor,
    /// Frigate over MQTT.
    Frigate,
    /// Hikvision ISAPI.
    Hikvision,
    /// Dahua RPC events, event manager and snap manager.
    Dahua,
    /// Dahua ITSAPI push.
    DahuaItsapi,
    /// Axis License Plate Verifier.
    Axis,
    /// `UniFi` Protect, Alarm Manager webhooks.
    Unifi,
    /// Verkada webhooks.
    Verkada,
    /// Survision.
    Survision,
    /// Genetec `AutoVu`.
    Genetec,
    /// Tattile.
    Tattile,
    /// The request that 2N devices take.
    TwoN,
    /// A table of one's own.
    Mapping,
}

/// A name that is no format's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFormat(String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
        write!(f, "{:?} is not known; known are {}", self.0, known.join(", "))
    }
}

impl std::error::Error for UnknownFormat {}

impl Format {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::PlateRecognizer,
        Self::ParkPow,
        Self::Rekor,
        Self::Frigate,
        Self::Hikvision,
        Self::Dahua,
        Self::DahuaItsapi,
        Self::Axis,
        Self::Unifi,
        Self::Verkada,
        Self::Survision,
        Self::Genetec,
        Self::Tattile,
        Self::TwoN,
        Self::Mapping,
    ];

    /// Its name, as in the path of a request and in the lots file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PlateRecognizer => "plate-recognizer",
            Self::ParkPow => "parkpow",
            Self::Rekor => "rekor",
            Self::Frigate => "frigate",
            Self::Hikvision => "hikvision",
            Self::Dahua => "dahua",
            Self::DahuaItsapi => "dahua-itsapi",
            Self::Axis => "axis",
            Self::Unifi => "unifi",
            Self::Verkada => "verkada",
            Self::Survision => "survision",
            Self::Genetec => "genetec",
            Self::Tattile => "tattile",
            Self::TwoN => "2n",
            Self::Mapping => "mapping",
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    /// Takes the names of [`as_str`](Format::as_str) and other usual ones; case, `_` and `-` make no difference.
    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let plain: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
        let format = match plain.as_str() {
            "platerecognizer" | "platerecognizerstream" | "platerecognizersnapshot" => Self::PlateRecognizer,
            "parkpow" => Self::ParkPow,
            "rekor" | "rekorscout" | "openalpr" => Self::Rekor,
            "frigate" => Self::Frigate,
            "hikvision" | "hikvisionisapi" | "isapi" => Self::Hikvision,
            "dahua" | "dahuarpc" => Self::Dahua,
            "dahuaitsapi" | "itsapi" => Self::DahuaItsapi,
            "axis" | "axislpv" => Self::Axis,
            "unifi" | "unifiprotect" => Self::Unifi,
            "verkada" => Self::Verkada,
            "survision" => Self::Survision,
            "genetec" | "genetecautovu" | "autovu" => Self::Genetec,
            "tattile" => Self::Tattile,
            "2n" | "twon" => Self::TwoN,
            "mapping" | "custom" => Self::Mapping,
            _ => {
                let told = parking::printable::one_line(name).chars().take(64).collect();
                return Err(UnknownFormat(told));
            }
        };
        Ok(format)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name() {
        for format in Format::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
            assert_eq!(format.as_str().to_uppercase().replace('-', "_").parse(), Ok(format));
        }
        assert!("vaxtor".parse::<Format>().is_err());
    }
}
