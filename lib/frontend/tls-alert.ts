/**
 * The alert for a client whose certificate is no good (RFC 5246, section 7.2; RFC 8446, section 6), which Node cannot send:
 * it has OpenSSL take every certificate and judges when the handshake is over on this side. At that moment the last flight
 * of the handshake has not left yet, so an alert that is written to the connection first is what the client reads instead:
 *
 * - up to TLS 1.2 nothing that this side has sent was encrypted, and neither is the alert: the client's handshake fails.
 * - with TLS 1.3 it is encrypted by the first traffic secret of the server, which OpenSSL tells for key logs, as the first
 *   record under it (RFC 8446, sections 5.2, 7.3): what OpenSSL itself would have sent.
 */
import { createCipheriv, createHmac } from 'node:crypto';
import { certificateError } from '../core/certificate-errors.js';

/** Descriptions of alerts (RFC 8446, section 6). */
const Alert = {
	HANDSHAKE_FAILURE: 40,
	BAD_CERTIFICATE: 42,
	UNSUPPORTED_CERTIFICATE: 43,
	CERTIFICATE_REVOKED: 44,
	CERTIFICATE_EXPIRED: 45,
	CERTIFICATE_UNKNOWN: 46,
	UNKNOWN_CA: 48,
	DECRYPT_ERROR: 51,
	INTERNAL_ERROR: 80,
	CERTIFICATE_REQUIRED: 116,
} as const;

const FATAL = 2;
/** Types of records. */
const ALERT = 21;
const APPLICATION_DATA = 23;

/** Each reason with the alert that OpenSSL sends for it; CERTIFICATE_UNKNOWN for the others. */
const ALERTS: ReadonlyMap<number, number> = new Map(
	(
		[
			[Alert.CERTIFICATE_EXPIRED, ['CERT_HAS_EXPIRED', 'CRL_HAS_EXPIRED']],
			[Alert.CERTIFICATE_REVOKED, ['CERT_REVOKED']],
			[Alert.DECRYPT_ERROR, ['CERT_SIGNATURE_FAILURE', 'CRL_SIGNATURE_FAILURE']],
			[Alert.UNSUPPORTED_CERTIFICATE, ['INVALID_PURPOSE']],
			[Alert.INTERNAL_ERROR, ['UNSPECIFIED', 'OUT_OF_MEM']],
			[
				Alert.UNKNOWN_CA,
				[
					'CERT_CHAIN_TOO_LONG',
					'DEPTH_ZERO_SELF_SIGNED_CERT',
					'INVALID_CA',
					'PATH_LENGTH_EXCEEDED',
					'SELF_SIGNED_CERT_IN_CHAIN',
					'UNABLE_TO_GET_CRL',
					'UNABLE_TO_GET_CRL_ISSUER',
					'UNABLE_TO_GET_ISSUER_CERT',
					'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
					'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
				],
			],
			[
				Alert.BAD_CERTIFICATE,
				[
					'CERT_NOT_YET_VALID',
					'CERT_REJECTED',
					'CERT_UNTRUSTED',
					'CRL_NOT_YET_VALID',
					'ERROR_IN_CERT_NOT_AFTER_FIELD',
					'ERROR_IN_CERT_NOT_BEFORE_FIELD',
					'ERROR_IN_CRL_LAST_UPDATE_FIELD',
					'ERROR_IN_CRL_NEXT_UPDATE_FIELD',
					'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
					'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
					'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
				],
			],
		] as const
	).flatMap(([alert, names]) => names.map((name) => [certificateError(name) ?? -1, alert] as const)),
);

/** @param code of core/certificate-errors.ts; undefined: none was shown */
export function alertFor(code: number | undefined, isTls13: boolean): number {
	if (code === undefined) return isTls13 ? Alert.CERTIFICATE_REQUIRED : Alert.HANDSHAKE_FAILURE;
	return ALERTS.get(code) ?? Alert.CERTIFICATE_UNKNOWN;
}

const RECORD_VERSIONS: ReadonlyMap<string, number> = new Map([
	['TLSv1', 1],
	['TLSv1.1', 2],
	['TLSv1.2', 3],
]);

/** The record of a fatal alert in clear; undefined for a version that has none. */
export function clearAlert(alert: number, version: string): Buffer | undefined {
	const minor = RECORD_VERSIONS.get(version);
	return minor === undefined ? undefined : Buffer.from([ALERT, 3, minor, 0, 2, FATAL, alert]);
}

interface Protection {
	readonly aead: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305' | 'aes-128-ccm';
	readonly keyBytes: number;
	readonly hash: 'sha256' | 'sha384';
	readonly tagBytes: number;
}

const GCM_128: Protection = { aead: 'aes-128-gcm', keyBytes: 16, hash: 'sha256', tagBytes: 16 };

/** RFC 8446, appendix B.4. */
const SUITES: ReadonlyMap<string, Protection> = new Map([
	['TLS_AES_128_GCM_SHA256', GCM_128],
	['TLS_AES_256_GCM_SHA384', { aead: 'aes-256-gcm', keyBytes: 32, hash: 'sha384', tagBytes: 16 }],
	['TLS_CHACHA20_POLY1305_SHA256', { aead: 'chacha20-poly1305', keyBytes: 32, hash: 'sha256', tagBytes: 16 }],
	['TLS_AES_128_CCM_SHA256', { ...GCM_128, aead: 'aes-128-ccm' }],
	['TLS_AES_128_CCM_8_SHA256', { ...GCM_128, aead: 'aes-128-ccm', tagBytes: 8 }],
]);

const IV_BYTES = 12;

/**
 * The record of a fatal alert of TLS 1.3, the first one under its secret; undefined for a suite that is not known.
 * @param secret `SERVER_TRAFFIC_SECRET_0` of a key log
 */
export function protectedAlert(alert: number, suite: string, secret: Buffer): Buffer | undefined {
	const protection = SUITES.get(suite);
	if (protection === undefined) return undefined;
	const { aead, keyBytes, hash, tagBytes } = protection;
	const key = expandLabel(hash, secret, 'key', keyBytes);
	// The nonce is this with the number of the record, which is 0, in its last bytes.
	const nonce = expandLabel(hash, secret, 'iv', IV_BYTES);
	const content = Buffer.from([FATAL, alert, ALERT]);
	const header = Buffer.from([APPLICATION_DATA, 3, 3, 0, content.length + tagBytes]);
	const cipher = createCipheriv(aead as 'aes-128-ccm', key, nonce, { authTagLength: tagBytes });
	cipher.setAAD(header, { plaintextLength: content.length });
	const sealed = Buffer.concat([cipher.update(content), cipher.final()]);
	return Buffer.concat([header, sealed, cipher.getAuthTag()]);
}

/** HKDF-Expand-Label with an empty context (RFC 8446, section 7.1); no output here is longer than one hash. */
function expandLabel(hash: Protection['hash'], secret: Buffer, label: string, length: number): Buffer {
	const name = `tls13 ${label}`;
	const info = Buffer.concat([Buffer.from([0, length, name.length]), Buffer.from(name), Buffer.from([0, 1])]);
	return createHmac(hash, secret).update(info).digest().subarray(0, length);
}
