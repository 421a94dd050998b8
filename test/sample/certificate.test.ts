/** Certificates and sessions in DER, beside what Node tells of the same bytes; broken ones end in nothing. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { certificateVersion, sessionSecrets, signatureAlgorithm } from '../../lib/sample/certificate.js';

const certificate = new X509Certificate(readFileSync('test/fixtures/tls/a.pem'));
const withBytes = (raw: Buffer): X509Certificate => ({ raw }) as X509Certificate;

t.test('a certificate', async (t) => {
	t.equal(certificateVersion(certificate), 3);
	t.equal(signatureAlgorithm(certificate), 'ecdsa-with-SHA256');
});

t.test('a session: format, protocol, cipher, id, key', async (t) => {
	const id = Buffer.from('aabb', 'hex');
	const key = Buffer.from('0102030405', 'hex');
	const parts = [Buffer.from('020101', 'hex'), Buffer.from('02020303', 'hex'), Buffer.from('0402c02f', 'hex')];
	const inner = Buffer.concat([...parts, Buffer.from([4, id.length]), id, Buffer.from([4, key.length]), key]);
	const der = Buffer.concat([Buffer.from([0x30, inner.length]), inner]);
	t.same(sessionSecrets(der), { id, key });
	t.equal(sessionSecrets(der.subarray(0, 12)), undefined);
	t.equal(sessionSecrets(Buffer.alloc(0)), undefined);
});

t.test('broken bytes', async (t) => {
	const { raw } = certificate;
	for (let length = 0; length < raw.length; length += 7) {
		const cut = withBytes(raw.subarray(0, length));
		t.equal(certificateVersion(cut), undefined);
		t.equal(signatureAlgorithm(cut), undefined);
	}
	for (let at = 0; at < Math.min(raw.length, 64); at++) {
		const changed = Buffer.from(raw);
		changed[at] = 0xff;
		t.doesNotThrow(() => [certificateVersion(withBytes(changed)), signatureAlgorithm(withBytes(changed))]);
	}
});
