/**
 * Fetches from the client's TLS connection and its certificate (manual, 7.3.4), and from the header of the PROXY
 * protocol. What Node's tls does not tell (secrets of the session, the lists of the client hello) is refused by name.
 *
 * A client whose certificate is not accepted has no connection: `ssl_c_err` and its kin are 0 wherever a rule sees one.
 */
import type { X509Certificate } from 'node:crypto';
import { TlvType } from '../../core/proxy-protocol.js';
import type { ArgumentValue, FetchDescriptor, SampleValue, StreamView, TlsView } from '../types.js';
import { numberArgument, optional, plain, required, textArgument } from './define.js';

const ofTls = (
	name: string,
	type: FetchDescriptor['type'],
	evaluate: (tls: TlsView) => SampleValue | undefined,
): FetchDescriptor =>
	plain(name, type, 'handshake', ({ session: { tls } }) => (tls === undefined ? undefined : evaluate(tls)));

const ofCertificate = (
	name: string,
	type: FetchDescriptor['type'],
	evaluate: (certificate: X509Certificate) => SampleValue | undefined,
): FetchDescriptor =>
	ofTls(name, type, ({ clientCertificate }) =>
		clientCertificate === undefined ? undefined : evaluate(clientCertificate),
	);

/** `CN=a\nO=b` as Node has it becomes `/CN=a/O=b`. */
function wholeName(name: string): string {
	return name === '' ? '' : `/${name.replaceAll('\n', '/')}`;
}

/** One entry of a name; the n-th of its kind, from the end below 0 (manual, `ssl_c_s_dn`). */
function nameEntry(name: string, entry: string, occurrence: number): string | undefined {
	const start = `${entry.toLowerCase()}=`;
	const values = name
		.split('\n')
		.flatMap((line) => (line.toLowerCase().startsWith(start) ? [line.slice(start.length)] : []));
	return values.at(occurrence > 0 ? occurrence - 1 : occurrence === 0 ? 0 : occurrence);
}

function distinguishedName(name: string, of: (certificate: X509Certificate) => string): FetchDescriptor {
	return {
		name,
		args: [optional('string'), optional('sint')],
		type: 'str',
		needs: ['handshake'],
		compile([entryArgument, occurrenceArgument]: readonly ArgumentValue[]) {
			const entry = textArgument(entryArgument);
			const occurrence = numberArgument(occurrenceArgument) ?? 0;
			return ({ session: { tls } }: StreamView) => {
				const certificate = tls?.clientCertificate;
				if (certificate === undefined) return undefined;
				const whole = of(certificate);
				return entry === undefined || entry === '' ? wholeName(whole) : nameEntry(whole, entry, occurrence);
			};
		},
	};
}

/** `YYMMDDhhmmssZ`, as certificates have it; what two digits cannot tell is absent, as in the reference. */
function certificateDate(text: string): string | undefined {
	const date = new Date(text);
	if (date.getUTCFullYear() >= 2100) return undefined;
	return `${date.toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`;
}

const KEY_NAMES: Readonly<Record<string, string>> = {
	rsa: 'rsaEncryption',
	ec: 'id-ecPublicKey',
	dsa: 'dsaEncryption',
};

/** Bits of the cipher's key, from its name. */
function keyBits(cipher: string | undefined): number | undefined {
	if (cipher === undefined) return undefined;
	if (/CHACHA20|AES[_-]?256|CAMELLIA256|ARIA256/.test(cipher)) return 256;
	if (/AES[_-]?128|CAMELLIA128|ARIA128/.test(cipher)) return 128;
	return /3DES|DES-CBC3/.test(cipher) ? 168 : undefined;
}

const zero = (name: string): FetchDescriptor => ofTls(name, 'sint', () => 0);

const ofField = (name: string, type: number): FetchDescriptor =>
	plain(name, 'str', 'session', ({ session }) => session.proxyFields?.get(type)?.toString('latin1'));

export const TLS_FETCHES: readonly FetchDescriptor[] = [
	plain('ssl_fc', 'bool', 'handshake', ({ session }) => session.isTls),
	ofTls('ssl_fc_alg_keysize', 'sint', ({ cipher }) => keyBits(cipher)),
	ofTls('ssl_fc_alpn', 'str', ({ alpn }) => alpn),
	ofTls('ssl_fc_cipher', 'str', ({ cipher }) => cipher),
	ofTls('ssl_fc_has_crt', 'bool', ({ clientCertificate }) => clientCertificate !== undefined),
	ofTls('ssl_fc_has_sni', 'bool', ({ serverName }) => serverName !== undefined),
	ofTls('ssl_fc_is_resumed', 'bool', ({ isResumed }) => isResumed),
	ofTls('ssl_fc_protocol', 'str', ({ version }) => version),
	ofTls('ssl_fc_sni', 'str', ({ serverName }) => serverName),
	ofTls('ssl_fc_use_keysize', 'sint', ({ cipher }) => keyBits(cipher)),
	zero('ssl_fc_err'),
	zero('ssl_fc_hsk_err'),
	plain('fc_err', 'sint', 'session', () => 0),
	ofTls('ssl_c_used', 'bool', ({ clientCertificate }) => clientCertificate !== undefined),
	zero('ssl_c_verify'),
	zero('ssl_c_err'),
	zero('ssl_c_ca_err'),
	zero('ssl_c_ca_err_depth'),
	distinguishedName('ssl_c_s_dn', ({ subject }) => subject),
	distinguishedName('ssl_c_i_dn', ({ issuer }) => issuer),
	ofCertificate('ssl_c_der', 'bin', ({ raw }) => raw),
	ofCertificate('ssl_c_serial', 'bin', ({ serialNumber }) =>
		Buffer.from(serialNumber.length % 2 === 0 ? serialNumber : `0${serialNumber}`, 'hex'),
	),
	ofCertificate('ssl_c_sha1', 'bin', ({ fingerprint }) => Buffer.from(fingerprint.replaceAll(':', ''), 'hex')),
	ofCertificate('ssl_c_notbefore', 'str', ({ validFrom }) => certificateDate(validFrom)),
	ofCertificate('ssl_c_notafter', 'str', ({ validTo }) => certificateDate(validTo)),
	ofCertificate(
		'ssl_c_key_alg',
		'str',
		({ publicKey }) => KEY_NAMES[publicKey.asymmetricKeyType ?? ''] ?? publicKey.asymmetricKeyType,
	),
	plain('fc_rcvd_proxy', 'bool', 'session', ({ session }) => session.proxyFields !== undefined),
	ofField('fc_pp_authority', TlvType.AUTHORITY),
	ofField('fc_pp_unique_id', TlvType.UNIQUE_ID),
	{
		name: 'fc_pp_tlv',
		args: [required('sint')],
		type: 'str',
		needs: ['session'],
		check: ([id]) => {
			const type = numberArgument(id) ?? -1;
			return type >= 0 && type <= 255 ? undefined : 'expects the number of a field, from 0 to 255';
		},
		compile([id]) {
			const type = numberArgument(id) ?? 0;
			return ({ session }) => session.proxyFields?.get(type)?.toString('latin1');
		},
	},
];
