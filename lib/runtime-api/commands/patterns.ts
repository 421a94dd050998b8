/**
 * Maps and ACLs at run time (management guide, 9.3 `show map`, `add map`, `prepare map`, ... and the same for ACLs).
 *
 * The control thread holds the sets too and changes its own first: what is refused there reaches no other thread.
 * Everything that one command changes goes to the data threads as one message. Versions that are being prepared
 * exist here alone; `commit` sends the new contents as a whole.
 */

import {
	applyPatternStep,
	entriesOf,
	entryCountOf,
	type NewPattern,
	type PatternSelector,
	type PatternStep,
	selectorOf,
} from '../../sample/pattern-change.js';
import { MATCH_INPUTS, type MatchMethod, PatternIndex } from '../../sample/pattern-index.js';
import type { PatternReference } from '../../sample/pattern-registry.js';
import { castTo } from '../../sample/values.js';
import { type Answer, type Command, DONE, fault, type Invocation, info, type Message } from '../command.js';
import { jsonArray, takeJsonWord } from '../json.js';
import type { RuntimeView } from '../runtime-view.js';

type Kind = 'acl' | 'map';

const UNKNOWN: Readonly<Record<Kind, string>> = {
	acl: 'Unknown ACL identifier. Please use #<id> or <file>.',
	map: 'Unknown map identifier. Please use #<id> or <file>.',
};

/** Versions of one set: the one that is matched, and those that are being prepared. */
class Versions {
	current = 0;
	next = 0;
	readonly prepared = new Map<number, NewPattern[]>();
}

const versionsByReference = new WeakMap<PatternReference, Versions>();

function versionsOf(reference: PatternReference): Versions {
	let versions = versionsByReference.get(reference);
	if (versions === undefined) {
		versions = new Versions();
		versionsByReference.set(reference, versions);
	}
	return versions;
}

/** `[@<version>] <set> ...`. */
interface Target {
	readonly reference: PatternReference;
	readonly versions: Versions;
	/** Undefined: none was named, the current one. */
	readonly version: number | undefined;
	/** What follows. */
	readonly rest: readonly string[];
}

function target(invocation: Invocation, kind: Kind, words = invocation.words): Target | Message {
	const first = words[2] ?? '';
	const hasVersion = first.startsWith('@');
	const version = /^@\d{1,9}$/.test(first) ? Number(first.slice(1)) : hasVersion ? -1 : undefined;
	const rest = words.slice(hasVersion ? 3 : 2);
	const reference = rest[0] === undefined ? undefined : invocation.view.patterns.find(rest[0], kind);
	if (reference === undefined) return fault(UNKNOWN[kind]);
	return { reference, versions: versionsOf(reference), version, rest: rest.slice(1) };
}

/** Applies steps here, then everywhere. A sentence about the first that cannot be: nothing is changed then. */
function change(view: RuntimeView, reference: PatternReference, steps: readonly PatternStep[]): string | undefined {
	for (const step of steps) {
		const trouble = step.step === 'add' ? patternTrouble(reference, step.text) : undefined;
		if (trouble !== undefined) return trouble;
	}
	for (const step of steps) applyPatternStep(reference, step);
	view.threads.tell({ kind: 'patterns', usedBy: reference.usedBy, id: reference.id, steps });
	return undefined;
}

/** What is wrong with a pattern in one of the ways the set is matched; undefined: nothing. */
function patternTrouble(reference: PatternReference, text: string): string | undefined {
	for (const { method } of reference.indexes.values()) {
		const added = new PatternIndex(method).add(text);
		if ('error' in added) return `${added.error}.`;
	}
	return undefined;
}

// ---- show, get

const pointer = (id: number): string => `0x${id.toString(16).padStart(8, '0')}`;

function show(invocation: Invocation, kind: Kind): Answer {
	const { words, json } = takeJsonWord(invocation.words);
	if (words[2] === undefined) return list(invocation.view, kind, invocation.words[2] === 'json');
	if (words[2] === 'json') return list(invocation.view, kind, true);
	const found = target(invocation, kind, words);
	if ('severity' in found) return found;
	const entries = entriesOfVersion(found);
	return json ? entriesJson(entries, kind) : entryLines(entries, kind);
}

function listed(view: RuntimeView, kind: Kind) {
	return view.patterns.list(kind).map((reference) => {
		const { current, next, prepared } = versionsOf(reference);
		let count = entryCountOf(reference);
		for (const entries of prepared.values()) count += entries.length;
		return { id: reference.id, file: reference.file ?? '', description: reference.description, current, next, count };
	});
}

function* list(view: RuntimeView, kind: Kind, json: boolean): Generator<string> {
	const sets = listed(view, kind);
	if (json) {
		yield* jsonArray(sets);
		yield '\n';
		return;
	}
	yield '# id (file) description\n';
	for (const { id, file, description, current, next, count } of sets) {
		yield `${id} (${file}) ${description}. curr_ver=${current} next_ver=${next} entry_cnt=${count}\n`;
	}
}

interface ShownEntry {
	readonly id: number;
	readonly text: string;
	readonly data: string;
}

function* entriesOfVersion({ reference, versions, version }: Target): Generator<ShownEntry> {
	if (version === undefined || version === versions.current) {
		yield* entriesOf(reference);
		return;
	}
	let id = 0;
	for (const { text, data } of versions.prepared.get(version) ?? []) yield { id: ++id, text, data };
}

function* entryLines(entries: Iterable<ShownEntry>, kind: Kind): Generator<string> {
	for (const { id, text, data } of entries) yield `${pointer(id)} ${text}${kind === 'map' ? ` ${data}` : ''}\n`;
}

function* entriesJson(entries: Iterable<ShownEntry>, kind: Kind): Generator<string> {
	function* objects(): Generator<unknown> {
		for (const { id, text, data } of entries) {
			yield { ref: pointer(id), pattern: text, ...(kind === 'map' ? { value: data } : {}) };
		}
	}
	yield* jsonArray(objects());
	yield '\n';
}

/** Ways of matching that look values up instead of trying one pattern after the other. */
const LOOKED_UP: ReadonlySet<MatchMethod> = new Set(['str', 'beg', 'ip']);

function get(invocation: Invocation, kind: Kind): Answer {
	const sample = invocation.words[3];
	if (invocation.words[2] === undefined || sample === undefined) {
		return fault(kind === 'map' ? 'Missing map identifier and/or key.' : 'Missing ACL identifier and/or key.');
	}
	const found = target(invocation, kind);
	if ('severity' in found) return found;
	const lines: string[] = [];
	for (const [name, index] of found.reference.indexes) {
		const { method } = index;
		const ignoresCase = name.endsWith(' -i');
		const value = castTo(MATCH_INPUTS[method], sample);
		const entry = value === undefined ? undefined : index.find(value);
		const word = kind === 'map' ? 'found' : 'match';
		let line = `type=${method}, case=${ignoresCase ? 'insensitive' : 'sensitive'}, ${word}=${entry === undefined ? 'no' : 'yes'}`;
		if (entry !== undefined) {
			line += `, idx=${LOOKED_UP.has(method) && !ignoresCase ? 'tree' : 'list'}`;
			line += kind === 'map' ? `, key="${entry.text}", value="${entry.data}", type="str"` : `, pattern="${entry.text}"`;
		}
		lines.push(`${line}\n`);
	}
	return lines;
}

// ---- add, set, del, clear

function addMap(invocation: Invocation): Answer {
	const usage =
		"'add map' expects three parameters (map identifier, key and value) or one parameter (map identifier) and a payload";
	const { payload } = invocation;
	const arity = (invocation.words[2] ?? '').startsWith('@') ? 1 : 0;
	const count = invocation.words.length - 2 - arity;
	if (count !== (payload === undefined ? 3 : 1)) return fault(usage);
	const found = target(invocation, 'map');
	if ('severity' in found) return found;
	const [text = '', data = ''] = found.rest;
	const patterns = payload === undefined ? [{ text, data }] : parsePayload(payload);
	return typeof patterns === 'string' ? fault(patterns) : addAll(invocation.view, found, 'map', patterns);
}

/** Lines of a key, blanks, and a value that goes to the end of the line. */
function parsePayload(payload: string): NewPattern[] | string {
	const patterns: NewPattern[] = [];
	for (const line of payload.split('\n')) {
		const match = /^[ \t]*([^ \t]+)[ \t]+(.*)$/.exec(line);
		if (match === null) return `Missing value for key '${line.trim()}'.`;
		patterns.push({ text: match[1] ?? '', data: match[2] ?? '' });
	}
	return patterns;
}

function addAcl(invocation: Invocation): Answer {
	const arity = (invocation.words[2] ?? '').startsWith('@') ? 1 : 0;
	if (invocation.words.length - 2 - arity !== 2 || invocation.payload !== undefined) {
		return fault("'add acl' expects two parameters: ACL identifier and pattern.");
	}
	const found = target(invocation, 'acl');
	if ('severity' in found) return found;
	return addAll(invocation.view, found, 'acl', [{ text: found.rest[0] ?? '', data: '' }]);
}

function addAll(view: RuntimeView, found: Target, kind: Kind, patterns: readonly NewPattern[]): Answer {
	const { reference, versions, version } = found;
	if (version === undefined || version === versions.current) {
		const trouble = change(
			view,
			reference,
			patterns.map((pattern) => ({ step: 'add', ...pattern })),
		);
		return trouble === undefined ? DONE : fault(trouble);
	}
	if (version > versions.next) {
		return fault(`Version number in the future, please use 'prepare ${kind}' before.`);
	}
	const prepared = versions.prepared.get(version);
	if (prepared === undefined) return fault('Version number out of range.');
	for (const { text } of patterns) {
		const trouble = patternTrouble(reference, text);
		if (trouble !== undefined) return fault(trouble);
	}
	prepared.push(...patterns);
	return DONE;
}

/** `#0x1f` is an entry's reference, anything else a pattern. */
type Selection = PatternSelector | 'malformed' | 'absent';

function select({ reference }: Target, word: string): Selection {
	if (word.startsWith('#')) {
		if (!/^#0x[0-9a-f]{1,12}$/i.test(word)) return 'malformed';
		return selectorOf(reference, Number(word.slice(1))) ?? 'absent';
	}
	const [index] = reference.indexes.values();
	return (index?.entriesOf(word).length ?? 0) > 0 ? { text: word } : 'absent';
}

function setMap(invocation: Invocation): Answer {
	if (invocation.words.length !== 5) {
		return fault("'set map' expects three parameters: map identifier, key and value.");
	}
	const found = target(invocation, 'map');
	if ('severity' in found) return found;
	const [word = '', data = ''] = found.rest;
	const selector = select(found, word);
	if (selector === 'malformed') return fault('Malformed identifier. Please use #<id> or <file>.');
	if (selector === 'absent') return fault(word.startsWith('#') ? 'key or pattern not found.' : 'entry not found.');
	change(invocation.view, found.reference, [{ step: 'set', selector, data }]);
	return DONE;
}

function del(invocation: Invocation, kind: Kind): Answer {
	if (invocation.words.length !== 4) {
		return fault(`This command expects two parameters: ${kind === 'map' ? 'map' : 'ACL'} identifier and key.`);
	}
	const found = target(invocation, kind);
	if ('severity' in found) return found;
	const selector = select(found, found.rest[0] ?? '');
	if (typeof selector === 'string') return fault('Key not found.');
	change(invocation.view, found.reference, [{ step: 'delete', selector }]);
	return DONE;
}

function clear(invocation: Invocation, kind: Kind): Answer {
	if (invocation.words[2] === undefined) {
		return fault(kind === 'map' ? 'Missing map identifier.' : 'Missing ACL identifier.');
	}
	const found = target(invocation, kind);
	if ('severity' in found) return found;
	const { reference, versions, version } = found;
	if (version === undefined || version === versions.current) change(invocation.view, reference, [{ step: 'clear' }]);
	else if (versions.prepared.has(version)) versions.prepared.set(version, []);
	return DONE;
}

// ---- versions

/** Versions that may be prepared at the same time: each holds its contents. */
const MAX_PREPARED = 16;

function prepare(invocation: Invocation, kind: Kind): Answer {
	const found = target(invocation, kind);
	if ('severity' in found) return found;
	const { versions } = found;
	if (versions.prepared.size >= MAX_PREPARED) return fault(`${MAX_PREPARED} versions are being prepared already.`);
	versions.next++;
	versions.prepared.set(versions.next, []);
	return info(`New version created: ${versions.next}`);
}

function commit(invocation: Invocation, kind: Kind): Answer {
	if (!(invocation.words[2] ?? '').startsWith('@')) return fault('Missing version number.');
	const found = target(invocation, kind);
	if ('severity' in found) return found;
	const { reference, versions, version = 0 } = found;
	const prepared = versions.prepared.get(version);
	if (version <= versions.current || prepared === undefined) return fault('Version number out of range.');
	change(invocation.view, reference, [
		{ step: 'clear' },
		...prepared.map((pattern): PatternStep => ({ step: 'add', ...pattern })),
	]);
	versions.current = version;
	for (const older of [...versions.prepared.keys()]) if (older <= version) versions.prepared.delete(older);
	return DONE;
}

const BOTH: readonly Kind[] = ['acl', 'map'];

export const PATTERN_COMMANDS: readonly Command[] = [
	{
		words: ['add', 'acl'],
		level: 'operator',
		usage: 'add acl [@<ver>] <acl> <pattern>',
		help: 'add a pattern to an ACL',
		run: addAcl,
	},
	{
		words: ['add', 'map'],
		level: 'operator',
		usage: 'add map [@<ver>] <map> <key> <val>',
		help: 'add an entry to a map, or the many of a payload',
		run: addMap,
	},
	{
		words: ['set', 'map'],
		level: 'operator',
		usage: 'set map <map> [<key>|#<ref>] <value>',
		help: 'change the value of a map entry',
		run: setMap,
	},
	...BOTH.flatMap((kind): Command[] => [
		{
			words: ['show', kind],
			level: 'user',
			usage: kind === 'acl' ? 'show acl [@<ver>] [<acl>]' : 'show map [@<ver>] [<map>]',
			help: `list ${kind}s, or what one contains`,
			run: (invocation) => show(invocation, kind),
		},
		{
			words: ['get', kind],
			level: 'user',
			usage: `get ${kind} <${kind}> <value>`,
			help: `what a value matches in this ${kind}`,
			run: (invocation) => get(invocation, kind),
		},
		{
			words: ['del', kind],
			level: 'operator',
			usage: `del ${kind} <${kind}> [<key>|#<ref>]`,
			help: `remove the entries of a pattern from this ${kind}`,
			run: (invocation) => del(invocation, kind),
		},
		{
			words: ['clear', kind],
			level: 'operator',
			usage: `clear ${kind} [@<ver>] <${kind}>`,
			help: `empty this ${kind}`,
			run: (invocation) => clear(invocation, kind),
		},
		{
			words: ['prepare', kind],
			level: 'operator',
			usage: `prepare ${kind} <${kind}>`,
			help: `begin a new version of this ${kind}`,
			run: (invocation) => prepare(invocation, kind),
		},
		{
			words: ['commit', kind],
			level: 'operator',
			usage: `commit ${kind} @<ver> <${kind}>`,
			help: 'put a prepared version in place of the present one, at once',
			run: (invocation) => commit(invocation, kind),
		},
	]),
];
