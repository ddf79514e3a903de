// What several screens ask the server for.
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { type Happened, useHappened } from '../lib/events'
import { queries } from '../lib/query'
import { t, tOf } from '../lib/words'

type Listed<T> = { items: T[]; next_cursor?: string }

/** All of a list that is short by nature: projects, people, sources. */
export async function all<T>(page: (cursor?: string) => Promise<Listed<T>>): Promise<T[]> {
  const out: T[] = []
  let cursor: string | undefined
  do {
    const p = await page(cursor)
    out.push(...p.items)
    cursor = p.next_cursor
  } while (cursor && out.length < 10_000)
  return out
}

const byName = <T extends { name: string }>(list: T[]) => list.sort((a, b) => a.name.localeCompare(b.name))
const lasting = { staleTime: 60_000, placeholderData: keepPreviousData }

export const useProjects = (enabled = true) =>
  useQuery({ ...lasting, enabled, queryKey: ['projects'], queryFn: () => all((cursor) => ok(api.GET('/v1/projects', { params: { query: { limit: 500, cursor } } }))).then(byName) })

export const useSources = (enabled = true) =>
  useQuery({ ...lasting, enabled, queryKey: ['sources'], queryFn: () => all((cursor) => ok(api.GET('/v1/sources', { params: { query: { limit: 500, cursor } } }))).then(byName) })

export const useUsers = (enabled = true) =>
  useQuery({ ...lasting, enabled, queryKey: ['users'], queryFn: () => all((cursor) => ok(api.GET('/v1/users', { params: { query: { limit: 500, cursor } } }))).then(byName) })

/** Names who did something: somebody of the account, a key, or the program. */
export function useActor(enabled = true) {
  const users = useUsers(enabled).data
  return (id: string | null | undefined) => {
    if (!id || id.startsWith('user_')) return users?.find((u) => u.id === id)?.name ?? t('console.story.somebody')
    if (id.startsWith('key_')) return t('console.story.aKey')
    return id.startsWith('system') ? t('console.openings.program') : id
  }
}

export const useStages = (enabled = true) =>
  useQuery({ ...lasting, enabled, queryKey: ['stages'], queryFn: () => ok(api.GET('/v1/stages')).then((l) => l.items.sort((a, b) => a.place - b.place)) })

const roles = ['salesperson', 'manager', 'marketer', 'admin', 'auditor'] as const

/** The account's own roles, beside those that are built in. */
export function useRoles() {
  const own = useQuery({ queryKey: ['roles'], staleTime: 60_000, queryFn: () => ok(api.GET('/v1/roles', { params: { query: { limit: 500 } } })).then((l) => l.items) }).data ?? []
  const name = (role: string) => own.find((r) => r.id === role)?.name ?? tOf('role', role)
  return { name, choices: [...roles.map((r) => ({ value: r as string, label: tOf('role', r) })), ...own.map((r) => ({ value: r.id, label: r.name }))] }
}

/** The alarms that wait for a look: the newest hundred. */
export const useAlarms = () =>
  useQuery({ queryKey: ['alarms', 'raised'], staleTime: 30_000, refetchInterval: 60_000, queryFn: () => ok(api.GET('/v1/alarms', { params: { query: { limit: 100 } } })) })

/** What people asked about their data and has no answer, the first that is due first. */
export const useRequests = () =>
  useQuery({
    queryKey: ['requests', 'waiting'],
    staleTime: 30_000,
    queryFn: () => all((cursor) => ok(api.GET('/v1/subject-requests', { params: { query: { state: 'waiting', limit: 500, cursor } } }))).then((l) => l.sort((a, b) => Date.parse(a.due_at) - Date.parse(b.due_at))),
    refetchInterval: (q) => (q.state.data?.some((r) => r.state === 'running') ? 1000 : 60_000),
  })

export type Project = Schemas['Project']
export type User = Schemas['Colleague']
export type Source = Schemas['Source']
export type Lead = Schemas['Lead']

/** Loads anew what is shown when something of these kinds happened, once a second at most, and nothing while nobody looks. */
export function useFresh(kinds: RegExp, ...keys: string[][]) {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const last = useRef(0)
  const latest = useRef(keys)
  useEffect(() => {
    latest.current = keys
  })
  useEffect(() => () => clearTimeout(timer.current), [])
  useHappened((e: Happened) => {
    if (timer.current || (e.kind !== 'reset' && !kinds.test(e.kind))) return
    timer.current = setTimeout(() => {
      timer.current = undefined
      last.current = Date.now()
      for (const queryKey of latest.current) void queries.invalidateQueries({ queryKey, refetchType: document.hidden ? 'none' : 'active' })
    }, Math.max(50, 1000 - (Date.now() - last.current)))
  })
}
