/**
 * Fetches from TLS connections, the client's and the server's, and their certificates (manual, 7.3.4), and from the header
 * of the PROXY protocol. What Node's tls does not tell (the server's random bytes, the client's curve) is refused by name.
 */
import type { X509Certificate } from 'node:crypto';
import {
	ConnectionErrorId,
	type ConnectionFailure,
	connectionErrorSentence,
	type OpenSslError,
	openSslErrorText,
} from '../../core/connection-errors.js';
import { TlvType } from '../../core/proxy-protocol.js';
import { certificateVersion, signatureAlgorithm } from '../certificate.js';
import { type TlsFacts, WANTED_TLS_FACTS } from '../tls-facts.js';
import type {
	ArgumentValue,
	FetchDescriptor,
	FetchNeed,
	PeerVerification,
	SampleType,
	SampleValue,
	StreamView,
	TlsView,
} from '../types.js';
import { numberArgument, optional, plain, required, textArgument } from './define.js';
import { CLIENT_HELLO_FETCHES } from './tls-client-hello.js';

/** A side of the load balancer: what its connection needs, and where it is found. */
interface Side {
	readonly prefix: string;
	readonly needs: readonly FetchNeed[];
	readonly of: (stream: StreamView) => TlsView | undefined;
	readonly failureOf: (stream: StreamView) => ConnectionFailure | undefined;
	readonly facts: readonly (keyof TlsFacts)[];
}

const CLIENT: Side = {
	prefix: 'ssl_fc',
	needs: ['handshake'],
	of: ({ session }) => session.tls,
	failureOf: ({ session }) => session.failure,
	facts: [],
};
const SERVER: Side = {
	prefix: 'ssl_bc',
	needs: ['response'],
	of: ({ serverTls }) => serverTls,
	failureOf: ({ serverFailure }) => serverFailure,
	facts: ['ofServers'],
};

/** The reference allows `ssl_s_*` where the client's handshake is over, too. */
const SERVER_CERTIFICATE_SIDE: Side = { ...SERVER, needs: ['handshake', 'response'] };

/** Says what the row asks of connections, and is compiled to the function. */
function row(
	name: string,
	type: SampleType,
	side: Side,
	evaluate: (tls: TlsView) => SampleValue | undefined,
	facts: readonly (keyof TlsFacts)[] = [],
): FetchDescriptor {
	return {
		name,
		args: [],
		type,
		needs: side.needs,
		compile: () => {
			want(side, facts);
			return (stream) => {
				const tls = side.of(stream);
				return tls === undefined ? undefined : evaluate(tls);
			};
		},
	};
}

function want(side: Side, facts: readonly (keyof TlsFacts)[]): void {
	for (const fact of [...side.facts, ...facts]) WANTED_TLS_FACTS[fact] = true;
}

const ofTls = (name: string, type: SampleType, evaluate: (tls: TlsView) => SampleValue | undefined): FetchDescriptor =>
	row(name, type, CLIENT, evaluate);

/** `CN=a\nO=b` as Node has it becomes `/CN=a/O=b`. */
function wholeName(name: string): string {
	return name === '' ? '' : `/${name.replaceAll('\n', '/')}`;
}

/** RFC 2253: the entries backward, special characters escaped. */
function rfc2253Name(name: string): string {
	return name
		.split('\n')
		.reverse()
		.map((line) => {
			const equals = line.indexOf('=');
			const value = line
				.slice(equals + 1)
				.replace(/[,+"\\<>;]/g, '\\$&')
				.replace(/^[ #]/, '\\$&')
				.replace(/ $/, '\\ ');
			return `${line.slice(0, equals)}=${value}`;
		})
		.join(',');
}

/** One entry of a name; the n-th of its kind, from the end below 0 (manual, `ssl_c_s_dn`). */
function nameEntry(name: string, entry: string, occurrence: number): string | undefined {
	const start = `${entry.toLowerCase()}=`;
	const values = name
		.split('\n')
		.flatMap((line) => (line.toLowerCase().startsWith(start) ? [line.slice(start.length)] : []));
	return values.at(occurrence > 0 ? occurrence - 1 : occurrence === 0 ? 0 : occurrence);
}

/** `YYMMDDhhmmssZ`, as certificates have it; what two digits cannot tell is absent, as in the reference. */
function certificateDate(text: string): string | undefined {
	const date = new Date(text);
	if (date.getUTCFullYear() >= 2100) return undefined;
	return `${date.toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`;
}

/** OpenSSL's short names of kinds of keys. */
const KEY_NAMES: Readonly<Record<string, string>> = {
	rsa: 'rsaEncryption',
	'rsa-pss': 'RSASSA-PSS',
	ec: 'id-ecPublicKey',
	dsa: 'dsaEncryption',
	ed25519: 'ED25519',
	ed448: 'ED448',
};

/** Bits of the cipher's key, from its name. */
function keyBits(cipher: string | undefined): number | undefined {
	if (cipher === undefined) return undefined;
	if (/CHACHA20|AES[_-]?256|CAMELLIA256|ARIA256/.test(cipher)) return 256;
	if (/AES[_-]?128|CAMELLIA128|ARIA128/.test(cipher)) return 128;
	return /3DES|DES-CBC3/.test(cipher) ? 168 : undefined;
}

/** A certificate: whose it is, and the beginning of its fetches' names. */
interface Holder {
	readonly prefix: string;
	readonly side: Side;
	readonly of: (tls: TlsView) => X509Certificate | undefined;
	readonly facts: readonly (keyof TlsFacts)[];
}

const HOLDERS: readonly Holder[] = [
	{ prefix: 'ssl_c', side: CLIENT, of: (tls) => tls.peerCertificate, facts: [] },
	{ prefix: 'ssl_f', side: CLIENT, of: (tls) => tls.ownCertificate, facts: ['ownCertificate'] },
	{ prefix: 'ssl_s', side: SERVER_CERTIFICATE_SIDE, of: (tls) => tls.peerCertificate, facts: [] },
];

function ofHolder(
	{ prefix, side, of, facts }: Holder,
	name: string,
	type: SampleType,
	evaluate: (certificate: X509Certificate) => SampleValue | undefined,
): FetchDescriptor {
	return row(
		`${prefix}_${name}`,
		type,
		side,
		(tls) => {
			const certificate = of(tls);
			return certificate === undefined ? undefined : evaluate(certificate);
		},
		facts,
	);
}

/** `<prefix>_s_dn([<entry>[,<occurrence>[,rfc2253]]])`. */
function distinguishedName(
	holder: Holder,
	name: string,
	nameOf: (certificate: X509Certificate) => string | undefined,
): FetchDescriptor {
	return {
		name: `${holder.prefix}_${name}`,
		args: [optional('string'), optional('sint'), optional('string')],
		type: 'str',
		needs: holder.side.needs,
		check: ([, , format]) =>
			(textArgument(format) || 'rfc2253') === 'rfc2253'
				? undefined
				: `unsupported format '${textArgument(format)}', only rfc2253 is known`,
		compile([entryArgument, occurrenceArgument, formatArgument]: readonly ArgumentValue[]) {
			want(holder.side, holder.facts);
			const entry = textArgument(entryArgument) ?? '';
			const occurrence = numberArgument(occurrenceArgument) ?? 0;
			const format = textArgument(formatArgument) === 'rfc2253' ? rfc2253Name : wholeName;
			return (stream) => {
				const tls = holder.side.of(stream);
				const certificate = tls === undefined ? undefined : holder.of(tls);
				const whole = certificate === undefined ? undefined : nameOf(certificate);
				if (whole === undefined) return undefined;
				return entry === '' ? format(whole) : nameEntry(whole, entry, occurrence);
			};
		},
	};
}

/** The certificates that lead from one to its authority, as far as the peer sent them, without the first. */
function* issuersOf(certificate: X509Certificate): Generator<X509Certificate> {
	let current: X509Certificate | undefined = certificate.issuerCertificate;
	for (let depth = 0; current !== undefined && depth < 16; depth++) {
		yield current;
		// A root is its own issuer.
		const next: X509Certificate | undefined = current.issuerCertificate;
		current = next === current || next?.fingerprint256 === current.fingerprint256 ? undefined : next;
	}
}

function rootName(certificate: X509Certificate): string | undefined {
	return [certificate, ...issuersOf(certificate)].at(-1)?.issuer;
}

function certificateRows(holder: Holder): readonly FetchDescriptor[] {
	return [
		distinguishedName(holder, 's_dn', ({ subject }) => subject),
		distinguishedName(holder, 'i_dn', ({ issuer }) => issuer),
		ofHolder(holder, 'der', 'bin', ({ raw }) => raw),
		ofHolder(holder, 'serial', 'bin', ({ serialNumber }) =>
			Buffer.from(serialNumber.length % 2 === 0 ? serialNumber : `0${serialNumber}`, 'hex'),
		),
		ofHolder(holder, 'sha1', 'bin', ({ fingerprint }) => Buffer.from(fingerprint.replaceAll(':', ''), 'hex')),
		ofHolder(holder, 'notbefore', 'str', ({ validFrom }) => certificateDate(validFrom)),
		ofHolder(holder, 'notafter', 'str', ({ validTo }) => certificateDate(validTo)),
		ofHolder(holder, 'version', 'sint', certificateVersion),
		ofHolder(holder, 'sig_alg', 'str', signatureAlgorithm),
		ofHolder(
			holder,
			'key_alg',
			'str',
			({ publicKey }) => KEY_NAMES[publicKey.asymmetricKeyType ?? ''] ?? publicKey.asymmetricKeyType,
		),
	];
}

const [CLIENT_CERTIFICATE, , SERVER_CERTIFICATE] = HOLDERS as readonly [Holder, Holder, Holder];

/** Fetches that both connections have. */
function connectionRows(side: Side): readonly FetchDescriptor[] {
	const named = (name: string): string => `${side.prefix}_${name}`;
	return [
		row(named('alg_keysize'), 'sint', side, ({ cipher }) => keyBits(cipher)),
		row(named('use_keysize'), 'sint', side, ({ cipher }) => keyBits(cipher)),
		row(named('alpn'), 'str', side, ({ alpn }) => alpn),
		row(named('cipher'), 'str', side, ({ cipher }) => cipher),
		row(named('protocol'), 'str', side, ({ version }) => version),
		row(named('is_resumed'), 'bool', side, ({ isResumed }) => isResumed),
		row(named('session_id'), 'bin', side, ({ session }) => nonEmpty(session?.id), ['session']),
		row(named('session_key'), 'bin', side, ({ session }) => nonEmpty(session?.key), ['session']),
		row(named('unique_id'), 'bin', side, ({ uniqueId }) => uniqueId, ['finished']),
		// A connection whose handshake failed comes to no rule of its own, but to log lines.
		...['err', 'hsk_err'].map((name) => errorRow(named(name), 'sint', side, ({ code }) => code, 0)),
		...['err_str', 'hsk_err_str'].map((name) => errorRow(named(name), 'str', side, openSslErrorText, undefined)),
	];
}

/** `of` an error of OpenSSL, or what is told of a handshake where it had nothing to say. */
function errorRow(
	name: string,
	type: SampleType,
	side: Side,
	of: (error: OpenSslError) => SampleValue,
	none: SampleValue | undefined,
): FetchDescriptor {
	const evaluate = (stream: StreamView): SampleValue | undefined => {
		const failed = side.failureOf(stream)?.tls;
		if (failed !== undefined) return failed === 'none' ? none : of(failed);
		return side.of(stream) === undefined ? undefined : none;
	};
	return {
		name,
		args: [],
		type,
		needs: side.needs,
		compile: () => {
			want(side, []);
			return evaluate;
		},
	};
}

/** What is wrong with a client's certificate: let pass by the bind line, or the reason why its handshake failed. */
function verdictRow(name: string, of: (verification: PeerVerification) => number): FetchDescriptor {
	const evaluate = ({ session }: StreamView): number | undefined => {
		const { failure, tls } = session;
		const verification = failure === undefined ? tls?.verification : failure.verification;
		if (verification !== undefined) return of(verification);
		return tls === undefined && failure?.tls === undefined ? undefined : 0;
	};
	return { ...ofTls(name, 'sint', () => undefined), compile: () => evaluate };
}

const nonEmpty = (bytes: Buffer | undefined): Buffer | undefined => (bytes?.length === 0 ? undefined : bytes);

/** Undefined as long as no server was reached. */
const serverErrorId = ({ serverFailure, server, log }: StreamView): number | undefined =>
	serverFailure?.id ?? (server !== undefined && log.timings.connectMs >= 0 ? ConnectionErrorId.SUCCESS : undefined);

const ofField = (name: string, type: number): FetchDescriptor =>
	plain(name, 'str', 'session', ({ session }) => session.proxyFields?.get(type)?.toString('latin1'));

export const TLS_FETCHES: readonly FetchDescriptor[] = [
	plain('ssl_fc', 'bool', 'handshake', ({ session }) => session.isTls),
	{
		...plain('ssl_bc', 'bool', 'response', () => false),
		compile: () => {
			want(SERVER, []);
			return ({ serverTls }) => serverTls !== undefined;
		},
	},
	...connectionRows(CLIENT),
	...connectionRows(SERVER),
	// A resumed session brings the certificate along that was shown when it began: none in this handshake.
	ofTls('ssl_fc_has_crt', 'bool', ({ peerCertificate, isResumed }) => peerCertificate !== undefined && !isResumed),
	ofTls('ssl_fc_has_sni', 'bool', ({ serverName }) => serverName !== undefined),
	// Early data is never accepted.
	ofTls('ssl_fc_has_early', 'bool', () => false),
	ofTls('ssl_fc_sni', 'str', ({ serverName }) => serverName),
	plain('fc_err', 'sint', 'session', ({ session }) => session.failure?.id ?? 0),
	plain('fc_err_str', 'str', 'session', ({ session }) => connectionErrorSentence(session.failure?.id ?? 0)),
	plain('bc_err', 'sint', 'response', serverErrorId),
	plain('bc_err_str', 'str', 'response', (stream) => {
		const id = serverErrorId(stream);
		return id === undefined ? undefined : connectionErrorSentence(id);
	}),
	ofTls('ssl_c_used', 'bool', ({ peerCertificate }) => peerCertificate !== undefined),
	// Errors that `ca-ignore-err` and `crt-ignore-err` let pass; without them no such client comes to a rule.
	ofTls('ssl_c_verify', 'sint', ({ verification }) => verification?.result ?? 0),
	verdictRow('ssl_c_err', ({ error }) => error),
	verdictRow('ssl_c_ca_err', ({ caError }) => caError),
	verdictRow('ssl_c_ca_err_depth', ({ caErrorDepth }) => caErrorDepth),
	...CLIENT_HELLO_FETCHES,
	row('ssl_fc_client_random', 'bin', CLIENT, ({ clientRandom }) => clientRandom, ['hello']),
	row('ssl_bc_client_random', 'bin', SERVER, ({ clientRandom }) => clientRandom, ['exchangeWithServer']),
	row('ssl_bc_curve', 'str', SERVER, ({ curve }) => curve, ['exchangeWithServer']),
	...HOLDERS.flatMap(certificateRows),
	distinguishedName(CLIENT_CERTIFICATE, 'r_dn', rootName),
	// OpenSSL gives a server the client's chain without its certificate, and a client the server's with it.
	ofHolder(CLIENT_CERTIFICATE, 'chain_der', 'bin', (certificate) =>
		nonEmpty(Buffer.concat(Array.from(issuersOf(certificate), ({ raw }) => raw))),
	),
	ofHolder(SERVER_CERTIFICATE, 'chain_der', 'bin', (certificate) =>
		Buffer.concat([certificate, ...issuersOf(certificate)].map(({ raw }) => raw)),
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
