pub(crate) fn object(_o: &crate::Object, _r: &mut crate::report::Report) {}
