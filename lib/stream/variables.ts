/**
 * Variables of a stream by scope (manual, 2.8 and `set-var`): `proc` lives as long as the process, `sess` as the
 * client connection, `txn` as the request and its response, `req` until the response begins, `res` after.
 * Maps are made when a scope gets its first variable; most streams have none.
 */
import type { ProcessScope, SampleValue, VariableScope, VariableStore } from '../sample/types.js';

type Scope = Map<string, SampleValue>;

/** What keeps the variables that outlive a stream. */
export interface VariableHolder {
	variables: Scope | undefined;
	readonly processVariables: ProcessScope;
}

export class StreamVariables implements VariableStore {
	readonly #session: VariableHolder;
	#txn: Scope | undefined;
	#req: Scope | undefined;
	#res: Scope | undefined;

	constructor(session: VariableHolder) {
		this.#session = session;
	}

	get(scope: VariableScope, name: string): SampleValue | undefined {
		return this.#scope(scope)?.get(name);
	}

	set(scope: VariableScope, name: string, value: SampleValue): void {
		this.#scopeFor(scope).set(name, value);
	}

	unset(scope: VariableScope, name: string): void {
		this.#scope(scope)?.delete(name);
	}

	/** The response begins: `req` variables are gone. */
	endRequestScope(): void {
		this.#req = undefined;
	}

	#scope(scope: VariableScope): ProcessScope | undefined {
		switch (scope) {
			case 'proc':
				return this.#session.processVariables;
			case 'sess':
				return this.#session.variables;
			case 'txn':
				return this.#txn;
			case 'req':
				return this.#req;
			default:
				return this.#res;
		}
	}

	#scopeFor(scope: VariableScope): ProcessScope {
		switch (scope) {
			case 'proc':
				return this.#session.processVariables;
			case 'sess':
				this.#session.variables ??= new Map();
				return this.#session.variables;
			case 'txn':
				this.#txn ??= new Map();
				return this.#txn;
			case 'req':
				this.#req ??= new Map();
				return this.#req;
			default:
				this.#res ??= new Map();
				return this.#res;
		}
	}
}
