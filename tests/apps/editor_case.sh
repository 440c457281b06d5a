#!/bin/bash
# editor_case: ed, vim, less and emacs without a terminal; backups, undo files, locks, in-place saves.
# needs: ed vim less emacs
set -u
export LC_ALL=C HOME=$PWD/home
mkdir home
seq 1 1000 > text
printf 'g/7$/s/$/!/\n$a\nend\n.\nw\nq\n' | ed -s text; tail -3 text
vim -es -u NONE -c 'normal ihello vim' -c 'wq' new </dev/null; cat new
vim -es -u DEFAULTS -c 'set backup backupcopy=no undofile' -c '%s/1/one/g' -c 'wq' text </dev/null; tail -1 text
vim -es -u DEFAULTS -c 'set backup backupcopy=yes writebackup undofile' -c 'g/2/d' -c 'wq' text </dev/null; wc -l < text; ls -A | sort
vim -es -u NONE -c 'set swapfile directory=. updatecount=1' -c 'edit text' -c 'normal ddp' -c 'preserve' -c 'wq' </dev/null; ls -A | grep -c swp
less text </dev/null | tail -1; less -F new
emacs --batch --eval '(progn
  (setq backup-by-copying nil version-control t)
  (find-file "e") (insert "hello emacs\n") (save-buffer)
  (goto-char (point-max)) (insert "more\n") (set-buffer-modified-p t) (save-buffer)
  (append-to-file "appended\n" nil "e") (copy-file "e" "e2") (rename-file "e2" "e3") (make-symbolic-link "e3" "e4")
  (make-directory "d/f" t) (copy-directory "d" "g") (delete-directory "d" t)
  (find-file "locked") (insert "x") (princ (format "lock %S\n" (file-symlink-p ".#locked"))) (set-buffer-modified-p nil) (kill-buffer)
  (dired ".") (princ (file-attribute-type (file-attributes "e4"))) (princ (directory-files "." nil "^[a-z]")))' 2>/dev/null | sed 's/lock ".*"/lock held/'
cat e
printf '(defun twice (x) (* 2 x))\n(provide (quote twice))\n' > twice.el
emacs --batch -f batch-byte-compile twice.el 2>/dev/null; emacs --batch -L . -l twice --eval '(princ (twice 21))' 2>/dev/null; echo; ls twice.elc
rm -rf home twice.elc .text.un~ .e.*; ls -A
