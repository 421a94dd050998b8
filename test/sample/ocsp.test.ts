/** OCSP responses as openssl(1) has made one: what is read of it, whose it is, and what is none. */
import { X509Certificate } from 'node:crypto';
import t from 'tap';
import { isResponseFor, readOcspResponse, refusalOf, responseEntry, responseText } from '../../lib/sample/ocsp.js';

/** For the certificate below, good from 2026-11-23 for 30 days. */
const RESPONSE = Buffer.from(
	'MIIDFAoBAKCCAw0wggMJBgkrBgEFBQcwAQEEggL6MIIC9jCB4aEwMC4xCzAJBgNVBAYTAkZSMQ0wCwYDVQQKDARUZXN0MRAwDgYDVQQDDAdSb290IENBGA8yMDI2MTEyMzExMTk1MVowdzB1ME0wCQYFKw4DAhoFAAQU9AxlN8imncGffrZyYYD04UABBssEFPakLnh29F2Az+2/xaTM2rt2RIlGAhRod5liUEtLmPhEPnt+s8RjpNzA4oAAGA8yMDI2MTEyMzExMTk1MVqgERgPMjAyNjEyMjMxMTE5NTFaoSMwITAfBgkrBgEFBQcwAQIEEgQQRCYOltwpJcFZ67ssrfaJXTAKBggqhkjOPQQDAgNIADBFAiEA4L8rHZn/lO2cIBGfVXs1NWGAbBrsn7P0U41fa+caHlgCIAmJzsx2+QDNnDhNB81FFwd60lm0nl7cpjbHU0SoA5nUoIIBuDCCAbQwggGwMIIBV6ADAgECAhQyzsIPb/Lak6t4hhpJgJSXd0n7ajAKBggqhkjOPQQDAjAuMQswCQYDVQQGEwJGUjENMAsGA1UECgwEVGVzdDEQMA4GA1UEAwwHUm9vdCBDQTAeFw0yNjExMjMxMDI5NTNaFw0zNjExMjAxMDI5NTNaMC4xCzAJBgNVBAYTAkZSMQ0wCwYDVQQKDARUZXN0MRAwDgYDVQQDDAdSb290IENBMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEESC8jj6GPoFPOjVPZopdA6SqRRLOcqzjCEYcaJKLu2ybZZfakDQgZjKFcDOsZdO/tjr44guZJx4Bdz7rULrJZaNTMFEwHQYDVR0OBBYEFPakLnh29F2Az+2/xaTM2rt2RIlGMB8GA1UdIwQYMBaAFPakLnh29F2Az+2/xaTM2rt2RIlGMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgOL1I7ezZPk+7rBFxVumOMiXGUQVmnOCer5ehyFlDmcsCIHS8/Gb+/HUW1WVafiB55vLlzZ7EWlK6jO0hHI6x+osC',
	'base64',
);
const CERTIFICATE = new X509Certificate(`-----BEGIN CERTIFICATE-----
MIICFjCCAbsCFGh3mWJQS0uY+EQ+e36zxGOk3MDiMAoGCCqGSM49BAMCMC4xCzAJ
BgNVBAYTAkZSMQ0wCwYDVQQKDARUZXN0MRAwDgYDVQQDDAdSb290IENBMB4XDTI2
MTEyMzEwMjk1NFoXDTM2MTEyMDEwMjk1NFowITELMAkGA1UEBhMCRlIxEjAQBgNV
BAMMCWEuZXhhbXBsZTCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBAL96
mx1ZKi5s9Y/1YiMel8rNPZ1CdOS90Ng7qJWusAEKUtYTJ1d5yCeod28xvA/oGI5J
aJEKrE/Yi4ejV7zIOr2F8JE2Jv/BUAvl+eUXGk8PX1oXgffJ6xaBsCnHilJE94Up
ZoPrp0j6BiOtJUlkKfCJQh8joOXDGP4xt7bxMWmL/5cOLswmjRBeaGR2VSRCse7O
qtHg5D3PbqyIUve1wk1LRymyeoWBCCyHSbY1JIgA5qVqAPK6SayEXEQJjZ+h0zt4
xW7+mEFLC3JSlT8/NEF+zJOLVdjqezYtVTZFUY7znRhA78rEaHj4LFZwvE8WBDdz
YQ4VQVJ8rwManBsGIrMCAwEAATAKBggqhkjOPQQDAgNJADBGAiEAqfqWmgov8VG8
2hF/TKBEajRQTLr4AN5BnG8pfKpez10CIQCohjoTEZ9IMD0Ko/IO+ZDVe7Uyruyx
fYG3wqdQRs2Zig==
-----END CERTIFICATE-----`);
const OTHER = new X509Certificate(`-----BEGIN CERTIFICATE-----
MIICIDCCAcYCFGh3mWJQS0uY+EQ+e36zxGOk3MDjMAoGCCqGSM49BAMCMC4xCzAJ
BgNVBAYTAkZSMQ0wCwYDVQQKDARUZXN0MRAwDgYDVQQDDAdSb290IENBMB4XDTI2
MTEyMzEwMjk1NVoXDTM2MTEyMDEwMjk1NVowLDELMAkGA1UEBhMCRlIxDTALBgNV
BAoMBFRlc3QxDjAMBgNVBAMMBWFsaWNlMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A
MIIBCgKCAQEApsr+ay1j8tIoDBxRS1nXtFfR9rzQcA/QwCJ3hXmYc8Dupb3G9OFz
SJT3Cr7Agw6/pP4uQnXMLvhVo+WVaC5FR5XxnHpWZi0NMCKyfrrd8VrXzozGOnof
LPIsgkd/l1BCN1Cby9WA3Vl2yrcVeSvolj9A6Is4myf1u5KftX3hfIQquGZ8+Sct
YAwVhbpTsG/sRIFm2YJAUG2Fajz8EAwYOTx5ZmdSf2zHNdXdpGIUUkPv3TuZsQpx
FtoETQ/EgqMmJW4lGdbWNXmspVcpS/Va8llVqaLEXYGGzukNFuRQtQIBPefvJ6/n
Kueq6tE+JERdRwrFoRMdPIrdrdZENeAReQIDAQABMAoGCCqGSM49BAMCA0gAMEUC
IQDb2EgdfMjsS6X1FISW7/Qhcd7FU9TZpHU6FWCOodnAJgIgEZp2qLNHIcSCo6r7
9cylP9RdczNicSYdcYcfKoEMPlA=
-----END CERTIFICATE-----`);

t.test('a response', async (t) => {
	const response = readOcspResponse(RESPONSE);
	if (typeof response === 'string') {
		t.fail(response);
		return;
	}
	t.equal(response.status, 'good');
	t.equal(response.hashName, 'sha1');
	t.equal(response.serial.toString('hex').toUpperCase(), CERTIFICATE.serialNumber);
	t.equal(response.thisUpdate.toISOString().slice(0, 10), '2026-11-23');
	t.equal(response.nextUpdate?.toISOString().slice(0, 10), '2026-12-23');
	t.equal(isResponseFor(response, CERTIFICATE), true);
	t.equal(isResponseFor(response, OTHER), false, 'another certificate of the same authority');
	t.equal(refusalOf(response, Date.parse('2026-12-01')), undefined);
	t.match(refusalOf(response, Date.parse('2027-01-01')), /no longer valid/);
	t.match(refusalOf({ ...response, status: 'unknown' }, Date.parse('2026-12-01')), /status is unknown/);
	t.match(responseEntry(response), /^Certificate ID key : 304d3009/);
	t.match(
		responseText(response),
		/Cert Status: good\n {4}This Update: Nov 23 11:19:51 2026 GMT\n {4}Next Update: Dec 23/,
	);
});

t.test('what is none, cut anywhere', async (t) => {
	t.equal(readOcspResponse(Buffer.alloc(0)), 'Unable to parse OCSP response.');
	t.equal(readOcspResponse(Buffer.from('30030a0106', 'hex')), 'OCSP response status not successful.');
	for (let length = 1; length < RESPONSE.length; length++) {
		t.type(readOcspResponse(RESPONSE.subarray(0, length)), 'string');
	}
});
