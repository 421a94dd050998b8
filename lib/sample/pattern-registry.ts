/**
 * The pattern sets of one configuration, by name: a file that several ACLs or maps read is one set, so that the
 * runtime API changes it once for all of them (management guide, `show acl`, `add map`). ACLs without a
 * file have a number, `#<id>`, which `-u` may choose.
 */
import { type Diagnostics, didYouMean, type Place } from '../core/diagnostics.js';
import type { MatchMethod, PatternIndex } from './pattern-index.js';
import type { CompileContext } from './types.js';

export interface PatternReference {
	readonly id: number;
	/** The file's path; undefined for patterns that stand in the line itself. */
	readonly file: string | undefined;
	readonly usedBy: 'acl' | 'map';
	/** One per way of matching: a file may serve `-m beg` and `-m str`. */
	readonly indexes: Map<string, PatternIndex>;
	/** Where it is used, for `show acl`. */
	readonly description: string;
}

export class PatternRegistry {
	readonly #byId = new Map<number, PatternReference>();
	readonly #byFile = new Map<string, PatternReference>();
	readonly #byLine = new Map<string, PatternReference>();
	#nextId = 0;
	readonly #expected: {
		readonly file: string;
		readonly usedBy: 'acl' | 'map';
		readonly place: Place;
		readonly rule: string;
	}[] = [];

	/** The set of a file, made at its first use. */
	forFile(file: string, usedBy: 'acl' | 'map', description: string): PatternReference {
		const key = `${usedBy} ${file}`;
		const known = this.#byFile.get(key);
		if (known !== undefined) return known;
		const reference = this.#register(file, usedBy, description, undefined);
		this.#byFile.set(key, reference);
		return reference;
	}

	/**
	 * The set of patterns in a line; `id` is that of `-u`. A named ACL is compiled for each kind of rule that uses it and
	 * is one set for all of them: `key` tells which. Undefined if the number is taken.
	 */
	forLine(description: string, id: number | undefined, key: string | undefined): PatternReference | undefined {
		const known = key === undefined ? undefined : this.#byLine.get(key);
		if (known !== undefined) return known;
		if (id !== undefined && this.#byId.has(id)) return undefined;
		const reference = this.#register(undefined, 'acl', description, id);
		if (key !== undefined) this.#byLine.set(key, reference);
		return reference;
	}

	/** `#3` or a file's path. */
	find(name: string, usedBy: 'acl' | 'map'): PatternReference | undefined {
		if (!name.startsWith('#')) return this.#byFile.get(`${usedBy} ${name}`);
		return /^#\d+$/.test(name) ? this.byId(Number(name.slice(1)), usedBy) : undefined;
	}

	byId(id: number, usedBy: 'acl' | 'map'): PatternReference | undefined {
		const reference = this.#byId.get(id);
		return reference?.usedBy === usedBy ? reference : undefined;
	}

	list(usedBy: 'acl' | 'map'): readonly PatternReference[] {
		return [...this.#byId.values()].filter((one) => one.usedBy === usedBy).sort((a, b) => a.id - b.id);
	}

	/** A rule changes the set of a file; `warnOfUnread` says so if nothing reads it. */
	expect(file: string, usedBy: 'acl' | 'map', place: Place, rule: string): void {
		this.#expected.push({ file, usedBy, place, rule });
	}

	/** When everything is compiled: rules whose set nothing looks at. */
	warnOfUnread(diagnostics: Diagnostics): void {
		for (const { file, usedBy, place, rule } of this.#expected) {
			if (this.find(file, usedBy) !== undefined) continue;
			const names = this.list(usedBy).flatMap((reference) => reference.file ?? []);
			diagnostics.warning(
				place,
				`'${rule}(${file})' has no effect: no ${usedBy === 'acl' ? 'ACL' : 'map'} of this configuration reads that file${didYouMean(file, names)}`,
			);
		}
	}

	#register(
		file: string | undefined,
		usedBy: 'acl' | 'map',
		description: string,
		id: number | undefined,
	): PatternReference {
		while (this.#byId.has(this.#nextId)) this.#nextId++;
		const reference: PatternReference = { id: id ?? this.#nextId++, file, usedBy, indexes: new Map(), description };
		this.#byId.set(reference.id, reference);
		return reference;
	}
}

/** Name of the index of a set: the method, apart with and without case. */
export function indexKey(method: MatchMethod, ignoreCase: boolean): string {
	return ignoreCase ? `${method} -i` : method;
}

/** A compilation is known by its diagnostics: there is one for each. */
const registries = new WeakMap<Diagnostics, PatternRegistry>();

/** The registry of the configuration that is being compiled; the runtime keeps it for the runtime API. */
export function patternRegistry(context: Pick<CompileContext, 'diagnostics'>): PatternRegistry {
	let registry = registries.get(context.diagnostics);
	if (registry === undefined) {
		registry = new PatternRegistry();
		registries.set(context.diagnostics, registry);
	}
	return registry;
}
