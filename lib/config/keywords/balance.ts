/** `balance`, `hash-type`, `hash-balance-factor` and `cookie` (manual, 4.2). */
import { didYouMean } from '../../core/diagnostics.js';
import { parseTimeMs } from '../../core/units.js';
import type { BalanceModel, CookieModel, HashTypeModel } from '../model.js';
import type { Statement } from '../statement.js';

const ALGORITHMS = [
	'roundrobin',
	'static-rr',
	'leastconn',
	'first',
	'source',
	'uri',
	'url_param',
	'hdr',
	'random',
	'rdp-cookie',
	'hash',
];

const MAX_COUNT = 2 ** 31 - 1;
const DEFAULT_RANDOM_DRAWS = 2;

/** The word between the parentheses of `hdr(name)`, or undefined when there are none. */
function argumentOf(word: string, name: string): string | undefined {
	return word.startsWith(`${name}(`) && word.endsWith(')') ? word.slice(name.length + 1, -1) : undefined;
}

export function readBalance(statement: Statement): BalanceModel | undefined {
	const word = statement.word(1);
	// Without a word the default is meant.
	if (word === '') return { algorithm: 'roundrobin' };
	switch (word) {
		case 'roundrobin':
		case 'static-rr':
		case 'leastconn':
		case 'first':
		case 'source':
			return statement.atMost(1) ? { algorithm: word } : undefined;
		case 'uri':
			return readUri(statement);
		case 'url_param':
			return readUrlParam(statement);
		case 'hash':
			if (statement.word(2) === '') {
				statement.alert(`balance hash requires a sample expression.`);
				return undefined;
			}
			return statement.atMost(2) ? { algorithm: 'hash', expression: statement.rest(2) } : undefined;
		case 'random':
		case 'random()':
			return statement.atMost(1) ? { algorithm: 'random', draws: DEFAULT_RANDOM_DRAWS } : undefined;
		case 'rdp-cookie':
			return statement.atMost(1) ? { algorithm: 'rdp-cookie', name: 'mstshash' } : undefined;
	}
	const draws = argumentOf(word, 'random');
	if (draws !== undefined) {
		if (/^\d{1,9}$/.test(draws) && Number(draws) > 0) {
			return statement.atMost(1) ? { algorithm: 'random', draws: Number(draws) } : undefined;
		}
		statement.alert(`balance : 'random' expects a number of draws of at least 1, got '${draws}'`);
		return undefined;
	}
	const cookie = argumentOf(word, 'rdp-cookie');
	if (cookie !== undefined) {
		if (cookie !== '') return statement.atMost(1) ? { algorithm: 'rdp-cookie', name: cookie } : undefined;
		statement.alert(`balance : 'rdp-cookie' expects the name of a cookie`);
		return undefined;
	}
	const header = argumentOf(word, 'hdr');
	if (header !== undefined || word === 'hdr') {
		if (header === undefined || header === '') {
			statement.alert(`balance : 'hdr(name)' requires an http header field name.`);
			return undefined;
		}
		const useDomainOnly = statement.word(2) === 'use_domain_only';
		if (!useDomainOnly && statement.words.length > 2) {
			statement.alert(`balance : 'hdr(name)' only accepts 'use_domain_only' modifier.`);
			return undefined;
		}
		return { algorithm: 'hdr', name: header, useDomainOnly };
	}
	statement.alert(`balance : unknown algorithm '${word}'${didYouMean(word, ALGORITHMS)}`);
	return undefined;
}

function readUri(statement: Statement): BalanceModel | undefined {
	let pathOnly = false;
	let whole = false;
	let lengthChars = 0;
	let depth = 0;
	for (let i = 2; i < statement.words.length; i++) {
		const word = statement.word(i);
		if (word === 'whole') whole = true;
		else if (word === 'path-only') pathOnly = true;
		else if (word === 'len') lengthChars = statement.integer(++i, 'balance uri len', 1, MAX_COUNT) ?? 0;
		else if (word === 'depth') depth = statement.integer(++i, 'balance uri depth', 1, MAX_COUNT) ?? 0;
		else {
			statement.alert(`balance uri only accepts parameters 'len', 'depth', 'path-only', and 'whole' (got '${word}').`);
			return undefined;
		}
	}
	return { algorithm: 'uri', pathOnly, whole, lengthChars, depth };
}

function readUrlParam(statement: Statement): BalanceModel | undefined {
	const name = statement.word(2);
	if (name === '') {
		statement.alert(`balance url_param requires an URL parameter name.`);
		return undefined;
	}
	let checkPostBytes: number | undefined;
	if (statement.words.length > 3) {
		if (statement.word(3) !== 'check_post') {
			statement.alert(`balance url_param only accepts check_post modifier.`);
			return undefined;
		}
		// The number is a former limit that HAProxy still reads and no longer obeys.
		checkPostBytes = statement.word(4) === '' ? 48 : statement.integer(4, 'balance url_param check_post', 1, MAX_COUNT);
	}
	return statement.atMost(4) ? { algorithm: 'url_param', name, checkPostBytes } : undefined;
}

export function readHashType(statement: Statement): HashTypeModel | undefined {
	const method = statement.choice(1, 'hash-type', ['map-based', 'consistent']);
	if (method === undefined) return undefined;
	let hash: HashTypeModel['function'] = 'sdbm';
	let at = 2;
	const FUNCTIONS = ['sdbm', 'djb2', 'wt6', 'crc32', 'none'] as const;
	const named = FUNCTIONS.find((name) => name === statement.word(at));
	if (named !== undefined) {
		hash = named;
		at++;
	} else if (statement.word(at) !== '') {
		statement.alert(
			`'hash-type' : unknown hash function '${statement.word(at)}'${didYouMean(statement.word(at), FUNCTIONS)}`,
		);
		return undefined;
	}
	const modifier = statement.word(at);
	if (modifier !== '' && modifier !== 'avalanche') {
		statement.alert(`'hash-type' : the only modifier is 'avalanche', got '${modifier}'`);
		return undefined;
	}
	if (statement.words.length > at + 1) {
		statement.alert(`'hash-type' cannot handle unexpected argument '${statement.word(at + 1)}'.`);
		return undefined;
	}
	// As observed: a ring without a named function spreads its hash.
	const avalanche = modifier === 'avalanche' || (method === 'consistent' && named === undefined);
	return { method, function: hash, avalanche };
}

export function readCookie(statement: Statement): CookieModel | undefined {
	const errorsBefore = statement.diagnostics.errorCount;
	const name = statement.word(1);
	if (name === '') {
		statement.alert(`'cookie' expects <cookie_name> as argument.`);
		return undefined;
	}
	const modes = new Set<'rewrite' | 'insert' | 'prefix'>();
	const flags = new Set<string>();
	const domains: string[] = [];
	const attributes: string[] = [];
	const lives = new Map<string, number>();
	const FLAGS = ['indirect', 'nocache', 'postonly', 'preserve', 'httponly', 'secure', 'dynamic'];
	for (let i = 2; i < statement.words.length; i++) {
		const word = statement.word(i);
		if (word === 'rewrite' || word === 'insert' || word === 'prefix') modes.add(word);
		else if (FLAGS.includes(word)) flags.add(word);
		else if (word === 'domain') {
			const domain = statement.word(++i);
			if (!/^\.?[A-Za-z0-9_.-]+$/.test(domain)) statement.alert(`'cookie' : invalid domain '${domain}'.`);
			domains.push(domain);
		} else if (word === 'attr') {
			const attribute = statement.word(++i);
			if (attribute === '' || /[;\x00-\x1f\x7f]/.test(attribute)) {
				statement.alert(`'cookie' : invalid attribute '${attribute}': no ';' and no control character is allowed.`);
			}
			attributes.push(attribute);
		} else if (word === 'maxidle' || word === 'maxlife') {
			const parsed = parseTimeMs(statement.word(++i), 's');
			if (parsed.ok && parsed.value > 0) lives.set(word, parsed.value);
			else statement.alert(`'cookie' : '${word}' expects a time in seconds, got '${statement.word(i)}'.`);
		} else {
			statement.alert(
				`'cookie' supports 'rewrite', 'insert', 'prefix', 'indirect', 'nocache', 'postonly', 'domain', 'maxidle', 'dynamic', 'maxlife', 'preserve', 'httponly', 'secure' and 'attr' options, got '${word}'${didYouMean(word, [...FLAGS, 'rewrite', 'insert', 'prefix', 'domain', 'attr', 'maxidle', 'maxlife'])}`,
			);
		}
	}
	if (modes.size > 1) {
		statement.alert(`cookie 'rewrite', 'insert' and 'prefix' modes are mutually exclusive.`);
	}
	if (modes.has('prefix') && flags.has('indirect')) {
		statement.warning(
			`it is a bad idea to mix 'indirect' with 'prefix': cookie updates of servers are not sent to clients.`,
		);
	}
	if (statement.diagnostics.errorCount > errorsBefore) return undefined;
	const [mode] = modes;
	return {
		name,
		mode: mode ?? 'none',
		indirect: flags.has('indirect'),
		nocache: flags.has('nocache'),
		postonly: flags.has('postonly'),
		preserve: flags.has('preserve'),
		httponly: flags.has('httponly'),
		secure: flags.has('secure'),
		dynamic: flags.has('dynamic'),
		domains,
		maxidleMs: lives.get('maxidle'),
		maxlifeMs: lives.get('maxlife'),
		attributes,
	};
}
