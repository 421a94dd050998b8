/** `log` lines of every section (manual, 4.2 `log`). */
import { didYouMean } from '../../core/diagnostics.js';
import { parseAddress } from '../address.js';
import type { LogTargetModel } from '../model.js';
import type { Statement } from '../statement.js';

export const LOG_FACILITIES = [
	'kern',
	'user',
	'mail',
	'daemon',
	'auth',
	'syslog',
	'lpr',
	'news',
	'uucp',
	'cron',
	'auth2',
	'ftp',
	'ntp',
	'audit',
	'alert',
	'cron2',
	'local0',
	'local1',
	'local2',
	'local3',
	'local4',
	'local5',
	'local6',
	'local7',
] as const;

export const LOG_LEVELS = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const;

export const LOG_FORMATS = ['local', 'rfc3164', 'rfc5424', 'priority', 'short', 'timed', 'iso', 'raw'] as const;

const SYSLOG_PORT = 514;
const DEFAULT_LENGTH_BYTES = 1024;
const MIN_LENGTH_BYTES = 80;
const MAX_LENGTH_BYTES = 65535;

/** Reads a `log` line into a list: the target, or the word `global`; `no log` empties the list. */
export function readLog(statement: Statement, logs: (LogTargetModel | 'global')[], globalAllowed: boolean): void {
	if (statement.prefix === 'no') {
		if (statement.words.length > 1) statement.alert(`'no log' expects no argument.`);
		else logs.length = 0;
		return;
	}
	if (statement.word(1) === 'global') {
		if (!globalAllowed) statement.alert(`'log global' is not allowed in '${statement.section}' section.`);
		else if (statement.words.length > 2) statement.alert(`'log global' expects no other argument.`);
		else if (!logs.includes('global')) logs.push('global');
		return;
	}
	const target = readTarget(statement);
	if (target !== undefined) logs.push(target);
}

function readTarget(statement: Statement): LogTargetModel | undefined {
	const target = targetOf(statement);
	let lengthBytes = DEFAULT_LENGTH_BYTES;
	let format: LogTargetModel['format'] | undefined = 'local';
	let formatGiven = false;
	let sample: LogTargetModel['sample'];
	let profile: string | undefined;
	let i = 2;
	for (; ; i += 2) {
		const word = statement.word(i);
		if (word === 'len') {
			lengthBytes = statement.integer(i + 1, 'log len', MIN_LENGTH_BYTES, MAX_LENGTH_BYTES) ?? lengthBytes;
		} else if (word === 'format') {
			formatGiven = true;
			format = statement.choice(i + 1, 'log format', LOG_FORMATS);
		} else if (word === 'profile') profile = statement.word(i + 1);
		else if (word === 'sample') sample = readSample(statement, i + 1);
		else break;
	}
	if (statement.word(1) === '' || statement.word(i) === '') {
		statement.alert(`log : expects <address> and <facility> as arguments`);
		return undefined;
	}
	if (profile === '') {
		statement.alert(`log : 'profile' expects the name of a log-profile section`);
		return undefined;
	}
	const facility = statement.word(i);
	if (!LOG_FACILITIES.some((known) => known === facility)) {
		statement.alert(`log : unknown log facility '${facility}'${didYouMean(facility, LOG_FACILITIES)}`);
		return undefined;
	}
	const maxLevel = levelOf(statement, i + 1, 'debug');
	const minLevel = levelOf(statement, i + 2, 'emerg');
	if (statement.words[i + 3] !== undefined) {
		statement.alert(`'log' cannot handle unexpected argument '${statement.word(i + 3)}'.`);
		return undefined;
	}
	if (target === undefined || format === undefined || maxLevel === undefined || minLevel === undefined)
		return undefined;
	return {
		place: statement.place,
		target,
		lengthBytes,
		format,
		formatGiven,
		sample,
		profile,
		facility,
		maxLevel,
		minLevel,
	};
}

function levelOf(statement: Statement, index: number, absent: string): string | undefined {
	const level = statement.word(index);
	if (level === '') return absent;
	if (LOG_LEVELS.some((known) => known === level)) return level;
	statement.alert(`log : unknown optional log level '${level}'${didYouMean(level, LOG_LEVELS)}`);
	return undefined;
}

function targetOf(statement: Statement): LogTargetModel['target'] | undefined {
	const text = statement.word(1);
	if (text === '') return undefined;
	if (text === 'stdout' || text === 'stderr') return { kind: text };
	if (text.startsWith('ring@')) return { kind: 'ring', name: text.slice('ring@'.length) };
	// One syntax of addresses for both protocols; the prefix says which.
	const plain = text.replace(/^udp(?=[46]?@)/, 'tcp');
	const parsed = parseAddress(plain, { port: 'required', defaultPort: SYSLOG_PORT, names: true, fd: true });
	if (!parsed.ok) {
		statement.alert(`log : ${parsed.reason}`);
		return undefined;
	}
	const { address } = parsed;
	if (/^tcp[46]?@/.test(text)) return { kind: 'tcp', address };
	switch (address.kind) {
		case 'ip':
			return { kind: 'udp', host: address.address, port: address.port };
		case 'name':
			return { kind: 'udp', host: address.host, port: address.port };
		case 'fd':
			return { kind: 'fd', fd: address.fd };
		case 'unix':
			if (!address.abstract) return { kind: 'unix', path: address.path };
			statement.alert(`log : abstract sockets are not supported by holdfast as log targets`);
			return undefined;
	}
}

/** `sample 1-3,5:10`: of every ten lines, the first three and the fifth. */
function readSample(statement: Statement, index: number): LogTargetModel['sample'] {
	const text = statement.word(index);
	const match = /^([0-9,-]+):(\d{1,9})$/.exec(text);
	const size = Number(match?.[2] ?? 0);
	const ranges: (readonly [number, number])[] = [];
	// As observed, a comma at the end is no mistake.
	for (const item of (match?.[1] ?? '').replace(/,$/, '').split(',')) {
		const range = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(item);
		const low = Number(range?.[1] ?? 0);
		const high = Number(range?.[2] ?? range?.[1] ?? 0);
		const overlaps = ranges.some(([from, to]) => low <= to && high >= from);
		if (low < 1 || high < low || high > size || overlaps) {
			statement.alert(`log : 'sample' expects <ranges>:<size> such as '1-3,5:10', got '${text}'`);
			return undefined;
		}
		ranges.push([low, high]);
	}
	return { ranges: ranges.sort((a, b) => a[0] - b[0]), size };
}
