/** Alerts about certificates: which for which reason, in clear, and under each suite of TLS 1.3 as OpenSSL opens it. */
import { createDecipheriv, createHash } from 'node:crypto';
import t from 'tap';
import { certificateError } from '../../lib/core/certificate-errors.js';
import { alertFor, clearAlert, protectedAlert } from '../../lib/frontend/tls-alert.js';

t.test('the alert of a reason', async (t) => {
	const rows: readonly (readonly [string, number])[] = [
		['CERT_HAS_EXPIRED', 45],
		['CERT_REVOKED', 44],
		['DEPTH_ZERO_SELF_SIGNED_CERT', 48],
		['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 48],
		['CERT_SIGNATURE_FAILURE', 51],
		['CERT_NOT_YET_VALID', 42],
		['INVALID_PURPOSE', 43],
		['UNSPECIFIED', 80],
		['HOSTNAME_MISMATCH', 46],
	];
	for (const [name, alert] of rows) t.equal(alertFor(certificateError(name) ?? 999, true), alert, name);
	t.equal(alertFor(undefined, true), 116, 'none was shown: certificate_required');
	t.equal(alertFor(undefined, false), 40, 'handshake_failure up to TLS 1.2');
});

t.test('in clear', async (t) => {
	t.equal(clearAlert(48, 'TLSv1.2')?.toString('hex'), '15030300020230');
	t.equal(clearAlert(45, 'TLSv1')?.toString('hex'), '1503010002022d');
	t.equal(clearAlert(45, 'TLSv1.3'), undefined);
});

t.test('under the first traffic secret', async (t) => {
	const suites = [
		['TLS_AES_128_GCM_SHA256', 'aes-128-gcm', 16, 'sha256', 32, 16],
		['TLS_AES_256_GCM_SHA384', 'aes-256-gcm', 32, 'sha384', 48, 16],
		['TLS_CHACHA20_POLY1305_SHA256', 'chacha20-poly1305', 32, 'sha256', 32, 16],
		['TLS_AES_128_CCM_SHA256', 'aes-128-ccm', 16, 'sha256', 32, 16],
		['TLS_AES_128_CCM_8_SHA256', 'aes-128-ccm', 16, 'sha256', 32, 8],
	] as const;
	for (const [suite, aead, keyBytes, hash, secretBytes, tagBytes] of suites) {
		const secret = Buffer.alloc(secretBytes, suite);
		const record = protectedAlert(48, suite, secret);
		if (record === undefined) throw new Error(suite);
		t.strictSame([...record.subarray(0, 5)], [23, 3, 3, 0, 3 + tagBytes], suite);
		const [key, nonce] = [expand(hash, secret, 'key', keyBytes), expand(hash, secret, 'iv', 12)];
		const opened = createDecipheriv(aead as 'aes-128-ccm', key, nonce, { authTagLength: tagBytes });
		opened.setAuthTag(record.subarray(8));
		opened.setAAD(record.subarray(0, 5), { plaintextLength: 3 });
		t.strictSame([...opened.update(record.subarray(5, 8))], [2, 48, 21], suite);
		opened.final();
	}
	t.equal(protectedAlert(48, 'TLS_OF_TOMORROW', Buffer.alloc(32)), undefined);
});

t.test('keys are those of RFC 8448, section 3', async (t) => {
	// The server's application traffic secret, with the key and iv that follow from it.
	const secret = Buffer.from('a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643', 'hex');
	t.equal(expand('sha256', secret, 'key', 16).toString('hex'), '9f02283b6c9c07efc26bb9f2ac92e356');
	t.equal(expand('sha256', secret, 'iv', 12).toString('hex'), 'cf782b88dd83549aadf1e984');
});

/** The first block of HKDF-Expand (RFC 5869, section 2.3), the slow way: HMAC from its definition. */
function expand(hash: 'sha256' | 'sha384', secret: Buffer, label: string, length: number): Buffer {
	const name = Buffer.from(`tls13 ${label}`);
	const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0])]);
	return expandOnce(hash, secret, info).subarray(0, length);
}

function expandOnce(hash: 'sha256' | 'sha384', secret: Buffer, info: Buffer): Buffer {
	const block = Buffer.alloc(hash === 'sha256' ? 64 : 128);
	secret.copy(block);
	const pad = (byte: number): Buffer => Buffer.from(block.map((one) => one ^ byte));
	const inner = createHash(hash)
		.update(Buffer.concat([pad(0x36), info, Buffer.from([1])]))
		.digest();
	return createHash(hash)
		.update(Buffer.concat([pad(0x5c), inner]))
		.digest();
}
