import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { api, ok } from '../lib/api'
import { useMay } from '../lib/me'
import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { Rows } from '../ui/skeleton'
import { When } from '../ui/time'
import { useActor } from './data'
import { Part, Sorry } from './page'

const LetSupport = lazy(() => import('../opening/form').then((m) => ({ default: m.LetSupport })))

/** From the record: who opened what of the lead's person, when and why. */
export function Openings({ lead }: { lead: string }) {
  const name = useActor()
  const may = useMay()
  const [lending, lend] = useState(false)
  const list = useInfiniteQuery({
    queryKey: ['openings', lead],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/record', { params: { query: { about: lead, action: 'opened', limit: 8, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  return (
    <Part title={t('console.openings.title')} action={<Link to="/console/openings" search={{ about: lead }} className="text-sm text-accent underline-offset-4 hover:underline">{t('console.openings.all')}</Link>}>
      {list.isError && !list.data ? <Sorry error={list.error} again={() => void list.refetch()} /> : list.isPending ? <Rows n={3} /> : rows.length === 0 ? <p className="text-soft">{t('console.openings.none')}</p> : (
        <ul>
          {rows.map((e) => (
            <li key={e.id} className="border-b border-line py-2 text-sm">
              <span className="flex justify-between gap-3"><span className="min-w-0 truncate font-medium">{name(e.actor)}</span><When at={e.at} className="shrink-0 text-soft" /></span>
              <span className="block text-soft">{[e.purpose && tOf('console.purpose', e.purpose), e.fields?.map((f) => tOf('console.opened', f.replace(':', '-'))).join(', ')].filter(Boolean).join(' · ')}</span>
            </li>
          ))}
        </ul>
      )}
      {list.hasNextPage && <Button look="quiet" className="mt-2 -ms-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.openings.more')}</Button>}
      {may('grants:manage') && <Button className="mt-3" icon="lock" onClick={() => lend(true)}>{t('console.leads.lend')}</Button>}
      {lending && <Suspense><LetSupport leads={[lead]} onClose={() => lend(false)} /></Suspense>}
    </Part>
  )
}
