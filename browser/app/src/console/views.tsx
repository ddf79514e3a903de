import { useMutation, useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { type Act, useActs } from '../lib/keys'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { useSession } from '../lib/session'
import { t } from '../lib/words'
import type { LeadFilter } from '../router'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { Field } from '../ui/field'
import { Menu, type MenuAct } from '../ui/menu'
import { say, sayFault } from '../ui/toast'
import { useUsers } from './data'
import type { Kept } from './leadtools'

type View = Schemas['SavedView']
type Search = LeadFilter & { project?: string }

export const useViews = (enabled = true) => useQuery({ queryKey: ['views'], enabled, staleTime: 60_000, queryFn: () => ok(api.GET('/v1/views')).then((l) => l.items) })
const renew = () => void queries.invalidateQueries({ queryKey: ['views'] })

const clean = <T extends object>(o: T) => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined && v !== '' && v !== false)) as T

/** What a view is in the address of the list. */
function searchOf(v: View): Search {
  const { speed_from_ms: least, speed_below_ms: below, person: _, ...rest } = v.filter ?? {}
  const at = (s?: string) => s && new Date(s).toISOString()
  return clean({ ...rest, from: at(rest.from), to: at(rest.to), test: rest.test || undefined, list: v.list || undefined, speed: least || below ? `${least ?? 0}-${below ?? 0}` : undefined } as Search)
}

/** What the list's address asks for, as a view keeps it. */
function filterOf({ names: _, view: __, list, speed, ...rest }: Search) {
  const [least, below] = speed?.split('-').map(Number) ?? []
  return { list, filter: clean({ ...rest, speed_from_ms: least || undefined, speed_below_ms: below || undefined }) }
}

const same = (a: object, b: object) => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
const sorted = (o: object) => Object.fromEntries(Object.entries(clean(o)).sort(([a], [b]) => a.localeCompare(b)))

/** Each view in the palette, wherever in the console one is. Draws nothing. */
export function ViewActs() {
  const go = useNavigate()
  const views = useViews().data ?? []
  useActs(views.map((v): Act => ({ id: v.id, words: v.name, group: t('console.leads.views'), run: () => void go({ to: '/console/leads', search: { view: v.id } }) })))
  return null
}

/** A view that the address names takes the address's place, with its columns. */
export function useNamedView(id: string | undefined, [kept, keep]: Kept) {
  const go = useNavigate()
  const views = useViews(!!id)
  const found = views.data?.find((v) => v.id === id)
  const settled = !!id && views.isSuccess && !views.isFetching
  useEffect(() => {
    if (!id || (!found && !settled)) return
    if (found) keep({ ...kept, hidden: found.hidden })
    else say(t('console.view.none'), { kind: 'lost' })
    void go({ to: '/console/leads', search: (found ? { project: undefined, ...searchOf(found) } : {}) as never, replace: true })
  }, [id, found, settled])
}

type Doing = { what: 'new' | 'rename'; name: string } | null

/** Filters that are kept by a name, one's own and what others share. */
export function LeadViews({ filter, project, kept: [kept], go }: { filter: LeadFilter; project?: string; kept: Kept; go: (search: LeadFilter) => void }) {
  const may = useMay()
  const own = useSession()?.user_id
  const users = useUsers().data
  const views = useViews().data ?? []
  const [doing, begin] = useState<Doing>(null)
  const now = { ...filter, names: undefined, view: undefined, project }
  const current = views.find((v) => same(searchOf(v), now))
  const mine = current?.user_id === own ? current : undefined
  const path = mine && { params: { path: { id: mine.id } } }
  const act = useMutation({ mutationFn: (f: () => Promise<unknown>) => f(), onSuccess: () => begin(null), onError: sayFault, onSettled: renew })
  const name = doing?.name.trim()
  const save = () => {
    if (doing?.what === 'rename') act.mutate(() => ok(api.PATCH('/v1/views/{id}', { ...path!, body: { name } })))
    else act.mutate(() => ok(api.POST('/v1/views', { body: { name: name!, hidden: kept.hidden, ...filterOf(now) } })))
  }
  const copy = (v: View) => void navigator.clipboard.writeText(`${location.origin}/app/console/leads?view=${v.id}`).then(() => say(t('common.copied'), { kind: 'good' }), () => say(t('common.notCopied'), { kind: 'lost' }))
  const acts: (MenuAct | null)[] = [
    ...views.map((v): MenuAct => ({ words: v.user_id === own ? v.name : `${v.name} · ${users?.find((u) => u.id === v.user_id)?.name ?? t('console.story.somebody')}`, icon: v === current ? 'check' : undefined, run: () => go({ view: v.id }) })),
    ...(views.length ? [null] : []),
    ...(current ? [] : [{ words: t('console.leads.keepView'), icon: 'plus' as const, run: () => begin({ what: 'new', name: '' }) }]),
    ...(current?.shared ? [{ words: t('console.view.copy'), icon: 'next' as const, run: () => copy(current) }] : []),
    ...(mine ? [
      { words: t('console.view.rename'), icon: 'pen' as const, run: () => begin({ what: 'rename', name: mine.name }) },
      ...(may('leads:move') ? [{ words: t(mine.shared ? 'console.view.unshare' : 'console.view.share'), icon: 'people' as const, run: () => act.mutate(() => ok(api.PATCH('/v1/views/{id}', { ...path!, body: { shared: !mine.shared } }))) }] : []),
      { words: t('console.leads.dropView', { name: mine.name }), lost: true, run: () => act.mutate(() => ok(api.DELETE('/v1/views/{id}', path!))) },
    ] : []),
  ]
  return (
    <>
      <Menu trigger={<Button icon="flag" busy={act.isPending && !doing}>{current?.name ?? t('console.leads.views')}</Button>} acts={acts} />
      <Dialog
        open={!!doing}
        onClose={() => begin(null)}
        title={t(doing?.what === 'rename' ? 'console.view.rename' : 'console.leads.keepView')}
        words={doing?.what === 'rename' ? undefined : t('console.leads.viewWords')}
        actions={<><Button look="quiet" onClick={() => begin(null)}>{t('common.cancel')}</Button><Button look="primary" disabled={!name} busy={act.isPending} onClick={save}>{t('console.leads.keep')}</Button></>}
      >
        <Field label={t('console.leads.viewName')} value={doing?.name ?? ''} onChange={(e) => begin((d) => d && { ...d, name: e.target.value })} maxLength={80} autoComplete="off" />
      </Dialog>
    </>
  )
}
