//! What makes a request worth a second look, in words.

use countersign_shared::protocol::Risk;

/// The sentence for a risk, as it ends a line.
pub const fn risk(of: Risk) -> &'static str {
    match of {
        Risk::Wildcard => "a name begins with *.: the certificate is good for every host below it",
        Risk::CaRequested => "the CSR asks to be a certification authority",
        Risk::Ca => "the certificate will be a certification authority and can sign others",
        Risk::Idn => "a name has letters that may look like those of another name",
        Risk::BareIp => "a name is an address, which may belong to another host tomorrow",
        Risk::NamesAdded => "names are added that the certificate in force does not have",
        Risk::KeyChanged => "the key is another than that of the certificate in force",
        Risk::OtherOwner => "somebody other than the owner of the certificate asks",
        Risk::Bypass => "the approval bypass is on: nobody has to agree",
        Risk::PolicyLaxer => {
            "the policy that is proposed lets more people or certificates through than the one in force"
        }
    }
}
