/**
 * `do-resolve(<var>,<resolvers>[,ipv4|ipv6]) <expr>` (manual, 4.2 `http-request do-resolve`): the address of a name into a
 * variable. The stream waits for the control thread's answer and no thread does; without an answer the
 * variable is left as it was.
 */
import { isHostName } from '../../config/address.js';
import { didYouMean } from '../../core/diagnostics.js';
import { parseVariableName, variableNameError } from '../../sample/arguments.js';
import { canCast, toText } from '../../sample/values.js';
import { type Action, type ActionDescriptor, mayComeLater, type RuleWords } from '../action.js';
import { Verdict } from '../verdict.js';

const USAGE = "Expects 'do-resolve(<varname>,<resolvers>[,<options>]) <expr>'. Available options are 'ipv4' and 'ipv6'";

function compileDoResolve(words: RuleWords): Action | undefined {
	const [variableText = '', section = '', family, ...more] = (words.parenthesized ?? '')
		.split(',')
		.map((part) => part.trim());
	if (variableText === '' || section === '' || more.length > 0) {
		return words.fail(`Can't parse '${words.words[0] ?? ''}'. ${USAGE}`);
	}
	if (family !== undefined && family !== 'ipv4' && family !== 'ipv6') {
		return words.fail(`unknown option '${family}'. ${USAGE}`);
	}
	const variable = parseVariableName(variableText);
	if (variable === undefined) return words.fail(variableNameError(variableText));
	const names = words.context.model.resolvers.map(({ name }) => name);
	if (!names.includes(section) && words.context.namesMayDangle !== true) {
		return words.fail(`unable to find resolvers section '${section}'${didYouMean(section, names)}`);
	}
	const expression = words.expression();
	if (expression === undefined) return undefined;
	if (!canCast(expression.type, 'str')) {
		return words.fail(`fetch method '${expression.text}' cannot be converted to a name`);
	}
	const { site } = words.context;
	const prefer = family === 'ipv4' ? 4 : 6;
	const { scope, name } = variable;
	return (stream) => {
		const answer = stream.takeNameAnswer();
		if (answer === 'waiting') return Verdict.YIELD;
		if (answer !== undefined) {
			if (answer.address !== undefined) stream.variables.set(scope, name, answer.address);
			return Verdict.CONTINUE;
		}
		const value = expression.evaluate(stream);
		if (value === undefined) return mayComeLater(expression, stream, site) ? Verdict.YIELD : Verdict.CONTINUE;
		const host = toText(value);
		// What is no name is not asked for: a client chose it.
		if (!isHostName(host)) return Verdict.CONTINUE;
		stream.lookUpName(section, host, prefer);
		return Verdict.YIELD;
	};
}

export const RESOLUTION_ACTIONS: readonly ActionDescriptor[] = [
	{
		name: 'do-resolve',
		sites: ['tcp-request content', 'http-request'],
		parentheses: true,
		compile: compileDoResolve,
	},
];
