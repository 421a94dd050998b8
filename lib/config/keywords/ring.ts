/**
 * The `ring` section (manual, 3.9): a ring buffer in memory for log lines, read by `show events` and sent to the log
 * servers that its `server` lines name, by TCP.
 */
import { didYouMean, type Place } from '../../core/diagnostics.js';
import { parseAddress } from '../address.js';
import type { RingDraft } from '../draft.js';
import { newServerOptions } from '../draft.js';
import type { RingServerModel } from '../model.js';
import type { ParserState } from '../state.js';
import { type Keyword, KeywordTable, refused, Statement } from '../statement.js';
import { LOG_FORMATS } from './log.js';
import { checkName, readServerOptions, tlsOf } from './server.js';

export interface RingSite {
	readonly ring: RingDraft;
	readonly state: ParserState;
}

/** BUFSIZE of the reference, the size of a ring whose section names none. */
export const DEFAULT_RING_BYTES = 16384;
/** Far over any use, and one allocation. */
const MAX_RING_BYTES = 1024 * 1024 * 1024;

export function newRing(name: string, place: Place): RingDraft {
	return {
		place,
		name,
		description: name,
		format: undefined,
		maxlenBytes: undefined,
		sizeBytes: DEFAULT_RING_BYTES,
		connectTimeoutMs: undefined,
		serverTimeoutMs: undefined,
		servers: [],
	};
}

/** A count of bytes without unit, as HAProxy reads it here. */
function bytesOf(statement: Statement): number | undefined {
	const text = statement.word(1);
	const value = /^\d{1,15}$/.test(text) ? Number(text) : 0;
	if (value > 0 && value <= MAX_RING_BYTES) return statement.atMost(1) ? value : undefined;
	statement.alert(
		value > MAX_RING_BYTES
			? `'${statement.word(0)}' : ${value} bytes are too many, ${MAX_RING_BYTES} at most`
			: `invalid size '${text}' for new sink buffer.`,
	);
	return undefined;
}

function readTimeout(field: 'connectTimeoutMs' | 'serverTimeoutMs'): NonNullable<Keyword<RingSite>['parse']> {
	return (statement, { ring }) => {
		const name = `timeout ${statement.word(1)}`;
		if (statement.word(2) === '') statement.alert(`'${name}' expects <time> as argument.`);
		else if (statement.atMost(1, 2)) ring[field] = statement.timeMs(2, name) ?? ring[field];
	};
}

/** `log-proto` is read here, the rest as on `server` lines of other sections that only connect. */
function readServer(statement: Statement, { ring, state }: RingSite): void {
	const name = statement.word(1);
	if (name === '' || statement.word(2) === '') {
		statement.alert(`'server' expects <name> and <addr>[:<port>] as arguments.`);
		return;
	}
	if (!checkName(statement, name, 'server name')) return;
	const twin = ring.servers.find((server) => server.name === name);
	if (twin !== undefined) {
		statement.alert(
			`ring '${ring.name}', another server named '${name}' was already defined at line ${twin.place.line}, please use distinct names.`,
		);
		return;
	}
	if (/^udp[46]?@/.test(statement.word(2))) {
		statement.alert(`'server ${ring.name}/${name}' : dgram-type address not acceptable in '${statement.word(2)}'`);
		return;
	}
	const parsed = parseAddress(statement.word(2), { port: 'required', names: true });
	if (!parsed.ok) statement.alert(`'server ${name}' : ${parsed.reason}`);
	const protocol = takeLogProto(statement, `server ${ring.name}/${name}`);
	if (protocol === undefined) return;
	const options = newServerOptions();
	readServerOptions(protocol.rest, 3, options, state, 'server', true);
	if (!parsed.ok || options.disabled) return;
	const { framing } = protocol;
	ring.servers.push({ place: statement.place, name, address: parsed.address, framing, tls: tlsOf(options, state) });
}

function takeLogProto(
	statement: Statement,
	label: string,
): { readonly framing: RingServerModel['framing']; readonly rest: Statement } | undefined {
	let framing: RingServerModel['framing'] = 'legacy';
	const words = [...statement.words];
	for (let at = words.indexOf('log-proto', 3); at >= 0; at = words.indexOf('log-proto', 3)) {
		const value = words[at + 1];
		if (value !== 'legacy' && value !== 'octet-count') {
			statement.alert(`'${label}' : 'log-proto' expects one of 'legacy' or 'octet-count' but got '${value ?? ''}'.`);
			return undefined;
		}
		framing = value;
		words.splice(at, 2);
	}
	const { place, section, diagnostics, prefix, sectionName } = statement;
	return { framing, rest: new Statement(place, words, section, diagnostics, prefix, sectionName) };
}

const BUILT: readonly Keyword<RingSite>[] = [
	{
		name: 'description',
		parse(statement, { ring }) {
			const text = statement.word(1);
			if (text === '') statement.alert(`missing ring description text.`);
			else if (statement.atMost(1)) ring.description = text;
		},
	},
	{
		name: 'format',
		parse(statement, { ring }) {
			const text = statement.word(1);
			const format = LOG_FORMATS.find((known) => known === text);
			if (format === undefined) statement.alert(`unknown format '${text}'.${didYouMean(text, LOG_FORMATS)}`);
			else if (statement.atMost(1)) ring.format = format;
		},
	},
	{
		name: 'maxlen',
		parse(statement, { ring }) {
			ring.maxlenBytes = bytesOf(statement) ?? ring.maxlenBytes;
		},
	},
	{
		name: 'size',
		parse(statement, { ring }) {
			const size = bytesOf(statement);
			if (size === undefined) return;
			if (size >= ring.sizeBytes) ring.sizeBytes = size;
			else {
				// The reference says "ignoring" and then refuses the file.
				statement.alert(
					`ignoring new size '${size}' that is smaller than current size '${ring.sizeBytes}' for ring '${ring.name}'.`,
				);
			}
		},
	},
	{ name: 'server', parse: readServer },
	{ name: 'timeout connect', parse: readTimeout('connectTimeoutMs') },
	{ name: 'timeout server', parse: readTimeout('serverTimeoutMs') },
];

export const RING_KEYWORDS = new KeywordTable<RingSite>(
	BUILT,
	refused<RingSite>(['backing-file'], 'a ring is memory of the process; a log server keeps what must outlive it'),
);
