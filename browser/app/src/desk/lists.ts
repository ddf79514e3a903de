// The lists of the day, the most pressing first, and how each is asked for.
// Without anything of the app: what is asked before it has arrived is the same.
import type { Session } from '../lib/stored'

export const lists = ['overdue', 'today', 'new', 'missed', 'returned', 'idle'] as const
export type ListName = (typeof lists)[number]

const serverList = {
  overdue: 'overdue',
  today: 'due-today',
  new: 'new-without-contact',
  missed: 'missed',
  returned: 're-engaged',
  idle: 'no-next-action',
} as const

export type Asked = ListName | 'first'

/** The list that an answer names; undefined: none of them has a lead. */
export const named = (list: string | undefined) => lists.find((l) => serverList[l] === list)

export const isList = (v: unknown): v is ListName => lists.includes(v as ListName)

/** One list of the day, or the first that has a lead; managers read everybody's leads, and their own day has their own. */
export const dayAsked = (list: Asked, names: boolean, who: Session | null) => ({
  list: list === 'first' ? list : serverList[list],
  ...(who?.role === 'salesperson' ? {} : { owner: who?.user_id }),
  ...(names ? { include: ['person' as const] } : {}),
  limit: 100,
})

/** The list that a day begins with, by how many each has: the first with something in it; undefined while that is not known. */
export function firstOf(n: Partial<Record<ListName, number>>): ListName | undefined {
  for (const l of lists) {
    if (n[l] === undefined) return undefined
    if (n[l] > 0) return l
  }
  return 'today'
}
